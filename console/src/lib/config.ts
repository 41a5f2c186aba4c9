// Where the console is served and whom it talks to. The deployment writes config.json; nothing in it is secret.

export interface Config {
  issuer: string;
  client_id: string;
  scopes: string[];
  scope_prefix: string;
  api: string;
  /** The address of the logs' search, with {query} where the text to look for belongs. */
  logs: string | null;
}

export const BASE = import.meta.env.BASE_URL;

let loaded: Config | undefined;

export async function loadConfig(): Promise<Config> {
  const answer = await fetch(`${BASE}config.json`, {cache: 'no-cache'});
  if (!answer.ok) throw new Error(`config.json: ${answer.status}`);
  loaded = (await answer.json()) as Config;
  return loaded;
}

export function config(): Config {
  if (!loaded) throw new Error('the configuration is not there yet');
  return loaded;
}
