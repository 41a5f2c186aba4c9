// The public API, typed by its OpenAPI document.

import createClient from 'openapi-fetch';
import type {components, paths} from '../api/schema';
import {config} from './config';
import {keepNumbers, stringify} from './exact';
import {IssuerAway, session} from './session.svelte';

export type Schemas = components['schemas'];
export type Task = Schemas['TaskDocument'];
export type Summary = Schemas['TaskSummary'];
export type Step = Schemas['StepDocument'];
export type TaskEvent = Schemas['EventDocument'];
export type Lane = Schemas['LaneDocument'];
export type Status = Schemas['Status'];
export type Webhook = Schemas['WebhookDocument'];
export type Delivery = Schemas['DeliveryDocument'];

/** A refusal of the API, or no answer at all (status 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly requestId = '',
    readonly fields: {pointer: string; detail: string}[] = [],
  ) {
    super(message);
  }

  get offline(): boolean {
    return this.status === 0;
  }
}

const ANSWER_MS = 40_000; // the API answers within 30 s, or never

/** Fetch with the person's token. Whole numbers that JavaScript cannot hold stay exact. */
async function fetchExactly(request: Request): Promise<Response> {
  const [answer, text] = await send(request);
  if (answer.status === 401) session.expired();
  const headers = new Headers(answer.headers);
  headers.delete('content-length');
  const body = [204, 304].includes(answer.status) ? null : keepNumbers(text);
  return new Response(body, {status: answer.status, statusText: answer.statusText, headers});
}

async function send(request: Request): Promise<[Response, string]> {
  const token = await session.token().catch((error: unknown) => {
    if (error instanceof IssuerAway) throw new ApiError(0, 'offline', error.message);
    throw new ApiError(401, 'signed_out', String(error));
  });
  request.headers.set('Authorization', `Bearer ${token}`);
  try {
    const answer = await fetch(request, {signal: ended(request.signal)});
    return [answer, await answer.text()];
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw new ApiError(0, 'offline', String(error));
  }
}

/** Aborts with the request, or when no answer comes. Browsers of before 2024 only do the former. */
function ended(signal: AbortSignal): AbortSignal {
  return 'any' in AbortSignal ? AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]) : signal;
}

export function client() {
  made ??= createClient<paths>({
    baseUrl: config().api,
    fetch: fetchExactly,
    bodySerializer: (body) => stringify(body),
    querySerializer: {array: {style: 'form', explode: false}},
  });
  return made;
}

let made: ReturnType<typeof createClient<paths>> | undefined;

interface Answer<T> {
  data?: T | undefined;
  error?: unknown;
  response: Response;
}

/** Return the answer's document. Throws ApiError for a refusal. */
export async function ask<T>(answer: Promise<Answer<T>>): Promise<T> {
  return (await answered(answer)).data;
}

/** The same, with the answer's headers. */
export async function answered<T>(answer: Promise<Answer<T>>): Promise<{data: T; headers: Headers}> {
  const {data, error, response} = await answer;
  if (response.ok) return {data: data as T, headers: response.headers};
  const problem = (typeof error === 'object' && error ? error : {}) as Partial<Schemas['Problem']>;
  throw new ApiError(
    response.status,
    problem.code ?? String(response.status),
    problem.detail ?? response.statusText,
    problem.request_id ?? response.headers.get('apigw-requestid') ?? '',
    problem.errors ?? [],
  );
}

/** A key for one press of a button: sent again after a lost answer, the effect is still one. */
export function onceKey(): Record<string, string> {
  return {'idempotency-key': crypto.randomUUID()};
}
