/** TensorFlow Serving's JSON for a model's status and metadata, whose clients read these field names. */
import type { DType } from "nagare";
import type { ServableModel, SignatureSpec, TensorSpec } from "./model.ts";

const dtypeNames: Readonly<Record<DType, string>> = {
  float32: "DT_FLOAT",
  float64: "DT_DOUBLE",
  float16: "DT_HALF",
  bfloat16: "DT_BFLOAT16",
  int8: "DT_INT8",
  uint8: "DT_UINT8",
  int32: "DT_INT32",
  int64: "DT_INT64",
  bool: "DT_BOOL",
};

/** `GetModelStatusResponse`: the versions, newest first, each ready to answer. */
export function modelStatus(versions: readonly number[]): object {
  return {
    model_version_status: [...versions]
      .sort((a, b) => b - a)
      .map((version) => ({
        version: String(version),
        state: "AVAILABLE",
        status: { error_code: "OK", error_message: "" },
      })),
  };
}

/** `GetModelMetadataResponse`: the signatures of one version. */
export function modelMetadata(name: string, version: number, model: ServableModel): object {
  const signatures = Object.entries(model.signatures).map(([key, spec]) => [key, signatureDef(key, spec)]);
  return {
    model_spec: { name, signature_name: "", version: String(version) },
    metadata: { signature_def: { signature_def: Object.fromEntries(signatures) } },
  };
}

function signatureDef(key: string, { inputs, outputs }: SignatureSpec): object {
  const describe = (side: SignatureSpec["inputs"]): object =>
    Object.fromEntries(
      Object.entries(side).map(([name, spec]) => [name, tensorInfo(`${key}_${name}:0`, spec)]),
    );
  return {
    inputs: describe(inputs),
    outputs: describe(outputs),
    method_name: "tensorflow/serving/predict",
  };
}

/** Sizes are strings, as protobuf writes int64; a size that varies is -1 and keeps its name. */
function tensorInfo(name: string, { dtype, shape }: TensorSpec): object {
  const dim = shape.map((d) =>
    typeof d === "number" ? { size: String(d), name: "" } : { size: "-1", name: d },
  );
  return { dtype: dtypeNames[dtype], tensor_shape: { dim, unknown_rank: false }, name };
}
