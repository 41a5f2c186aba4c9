// What a person does to a task. What can be undone offers it; what cannot is confirmed before.

import {answered, ApiError, ask, client, onceKey, type Task} from './api';
import {t} from './i18n';
import type {Message} from './messages';
import {toasts} from './toasts.svelte';

export const ACTIONS = ['retry', 'resume', 'pause', 'cancel'] as const;
export type Action = (typeof ACTIONS)[number];
type Change = {priority?: NonNullable<Task['priority']>; title?: string; run_after?: string | null};

const OPPOSITE: Partial<Record<Action, Action>> = {pause: 'resume'};

/** Do it, and say so. Returns the task as it is then; undefined when it was refused. */
export async function act(action: Action, task: Pick<Task, 'task_id' | 'title'>): Promise<Task | undefined> {
  const params = {path: {task_id: task.task_id}, header: onceKey()};
  try {
    const after = await ask(
      action === 'cancel'
        ? client().POST('/api/v1/tasks/{task_id}/cancel', {params})
        : action === 'pause'
          ? client().POST('/api/v1/tasks/{task_id}/pause', {params})
          : action === 'resume'
            ? client().POST('/api/v1/tasks/{task_id}/resume', {params})
            : client().POST('/api/v1/tasks/{task_id}/retry', {params}),
    );
    const back = OPPOSITE[action];
    const undo = back && after.allowed_actions.includes(back) ? () => void act(back, task) : undefined;
    toasts.show(t(`done.${action}` as Message, {title: task.title}), {undo});
    return after;
  } catch (error) {
    refused(error);
    return undefined;
  }
}

const TRIES = 5; // a task that runs gets another tag with each step

/** Change it unless somebody else has changed the same meanwhile. That it goes on is no reason to refuse. */
export async function change(task: Task, tag: string | undefined, wish: Change, tries = TRIES): Promise<Task | undefined> {
  const header = {...onceKey(), ...(tag ? {'if-match': tag} : {})};
  try {
    const {data, headers} = await answered(
      client().PATCH('/api/v1/tasks/{task_id}', {
        params: {path: {task_id: task.task_id}, header},
        body: wish as never,
      }),
    );
    const before: Change = {};
    if (wish.priority && task.priority) before.priority = task.priority;
    if (wish.title) before.title = task.title;
    const undo = Object.keys(before).length
      ? () => void change(data, headers.get('etag') ?? undefined, before)
      : undefined;
    toasts.show(t('done.change', {title: data.title}), {undo});
    return data;
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 412)) refused(error);
    else if (tries > 1) return changeAgain(task, wish, tries - 1);
    else toasts.show(t('error.changedMeanwhile'), {bad: true});
    return undefined;
  }
}

async function changeAgain(task: Task, wish: Change, tries: number): Promise<Task | undefined> {
  try {
    const params = {path: {task_id: task.task_id}};
    const {data, headers} = await answered(client().GET('/api/v1/tasks/{task_id}', {params}));
    const names = Object.keys(wish) as (keyof Change)[];
    if (names.every((name) => data[name] === task[name])) {
      return await change(data, headers.get('etag') ?? undefined, wish, tries);
    }
    toasts.show(t('error.changedMeanwhile'), {bad: true});
  } catch (error) {
    refused(error);
  }
  return undefined;
}

export function refused(error: unknown): void {
  const text = error instanceof ApiError && error.offline ? t('error.offline') : String((error as Error).message);
  toasts.show(text, {bad: true});
}
