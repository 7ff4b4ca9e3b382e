/** The error classes of Nagare. Every message says what was expected, what was received and what to do. */

/** Base class of every error thrown on purpose by Nagare. */
export class NagareError extends Error {
  override name = "NagareError";
}

/** A shape, axis or rank that does not fit. */
export class ShapeError extends NagareError {
  override name = "ShapeError";
}

/** A dtype that an operation does not take, or two dtypes that do not combine. */
export class DTypeError extends NagareError {
  override name = "DTypeError";
}

/** A value outside what an argument allows: an option, an index, a file's field. */
export class ValueError extends NagareError {
  override name = "ValueError";
}

/** The value of a tensor was asked for while a transform traces, or a traced value outlived its trace. */
export class TracerError extends NagareError {
  override name = "TracerError";
}

/** An operation lacks a rule that a transform or a backend needs. */
export class UnsupportedError extends NagareError {
  override name = "UnsupportedError";
}

/** A file or a message in a known format is damaged, truncated or hostile. */
export class FormatError extends NagareError {
  override name = "FormatError";
}
