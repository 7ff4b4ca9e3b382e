import { DTypeError, ShapeError, ValueError } from "nagare";
import { RequestError } from "../errors.ts";
import type { NonFinite } from "../json/index.ts";
import type { ServableModel } from "../model.ts";
import { readRequest } from "./request.ts";
import { writeResponse } from "./response.ts";

/** Options of `answerPredict`. */
export interface AnswerOptions {
  /** The signature of requests that name none; default "serving_default". */
  readonly signature?: string;
  /** How NaN and infinities are written: bare tokens as TensorFlow Serving does (default), or strings, which are JSON. */
  readonly nonFinite?: NonFinite;
}

/**
 * Answers the JSON body of a predict request with the JSON body of its response; what the server does for
 * `POST …:predict`, without a server.
 * @param body UTF-8 bytes of `{"instances": …}` or `{"inputs": …}`, optionally with `"signature_name"`.
 * @throws RequestError with the HTTP status when the request does not fit the model.
 * @example
 * const model = await ng.load("digits/1");
 * await answerPredict(model, Buffer.from('{"instances": [[0.5, 1]]}')); // '{"predictions":[[0.1,0.9]]}'
 */
export async function answerPredict(
  model: ServableModel,
  body: Uint8Array,
  options: AnswerOptions = {},
): Promise<string> {
  const request = readRequest(model, body, options.signature);
  try {
    const outputs = await model.callAsync(request.inputs, request.signatureName);
    return await writeResponse(outputs, request.form, options.nonFinite ?? "tokens");
  } catch (error) {
    // Shapes and dtypes fit by now; what is left to these errors are values, such as an index out of range.
    const isInput = error instanceof ShapeError || error instanceof DTypeError || error instanceof ValueError;
    throw isInput ? new RequestError(400, error.message) : error;
  }
}
