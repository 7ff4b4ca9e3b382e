/**
 * Serves saved Nagare models over HTTP with TensorFlow Serving's REST forms.
 *
 * @packageDocumentation
 */
export { RequestError } from "./errors.ts";
export type { NonFinite } from "./json/index.ts";
export type { ServableModel, SignatureSpec, TensorSpec } from "./model.ts";
export { formatSpec } from "./model.ts";
export type { AnswerOptions } from "./predict/index.ts";
export { answerPredict, curlExample } from "./predict/index.ts";
export type { ModelServer, ServeOptions, ServerLogger } from "./server.ts";
export { serveModel } from "./server.ts";
export type { ModelFolder, VersionChoice } from "./versions.ts";
export { findVersions } from "./versions.ts";
