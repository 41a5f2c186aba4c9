// The queues, which several pages look at: their kinds are what filters offer.

import {ask, client, type Lane} from './api';

class Queues {
  lanes: Lane[] = $state.raw([]);
  error: unknown = $state.raw(null);
  asOf = $state(0);

  get kinds(): string[] {
    return this.lanes.map((lane) => lane.kind);
  }

  of(kind: string): Lane | undefined {
    return this.lanes.find((lane) => lane.kind === kind);
  }

  async load(): Promise<void> {
    try {
      this.lanes = (await ask(client().GET('/api/v1/queue'))).items;
      this.asOf = Date.now();
      this.error = null;
    } catch (error) {
      this.error = error;
    }
  }
}

export const queues = new Queues();
