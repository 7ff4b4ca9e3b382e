/** Talks to a server under test the way a stranger's client would: over loopback HTTP. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { ModelServer, ServableModel, ServeOptions } from "@nagare/serve";
import { serveModel } from "@nagare/serve";

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** Serves a model on a free port until the test is over. */
export async function serveFor(
  t: TestContext,
  model: ServableModel | string,
  options: Omit<ServeOptions, "model"> = {},
): Promise<ModelServer> {
  const server = await serveModel({ model, port: 0, ...options });
  t.after(() => server.close());
  return server;
}

export async function request(
  url: string,
  {
    method = "GET",
    body,
    headers,
  }: { method?: string; body?: string | Uint8Array<ArrayBuffer>; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    ...(body === undefined ? {} : { body }),
    headers: headers ?? {},
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

/** POST to :predict; a body that is no string is written as JSON. */
export async function predict(server: ModelServer, body: unknown): Promise<Answer> {
  const isRaw = typeof body === "string" || body instanceof Uint8Array;
  return request(`${server.modelUrl}:predict`, {
    method: "POST",
    body: isRaw ? (body as string | Uint8Array<ArrayBuffer>) : JSON.stringify(body),
  });
}

/** The predictions or outputs of a request that must succeed. */
export async function answerOf(server: ModelServer, body: unknown): Promise<unknown> {
  const { status, text } = await predict(server, body);
  assert.equal(status, 200, text);
  return JSON.parse(text);
}

/** Checks that an answer is an error of this status whose message matches. */
export function assertError(answer: Answer, status: number, message: RegExp): void {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers.get("content-type") ?? "", /^application\/json/);
  const parsed: { error?: unknown } = JSON.parse(answer.text);
  assert.deepEqual(Object.keys(parsed), ["error"]);
  assert.match(String(parsed.error), message);
}
