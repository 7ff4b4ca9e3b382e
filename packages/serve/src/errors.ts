import { NagareError } from "nagare";

/** A request that cannot be answered, with the HTTP status that says why. The client is shown the message. */
export class RequestError extends NagareError {
  override name = "RequestError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
