import { Option } from "commander";

/** `--non-finite`, the same for predict and serve. */
export function nonFiniteOption(): Option {
  return new Option(
    "--non-finite <form>",
    "how NaN and infinities are written: tokens as TensorFlow Serving, or strings",
  )
    .choices(["tokens", "strings"])
    .default("tokens");
}
