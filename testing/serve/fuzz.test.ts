import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { predict, request, serveFor } from "./client.ts";
import { echoModel, pairModel } from "./fakeModel.ts";

const leaf = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(null, true, false, "NaN", "x", "", 1e39, -1e308, 2 ** 53, 0.5),
);
const nested = fc.letrec((tie) => ({
  value: fc.oneof(
    { weight: 3, arbitrary: leaf },
    { weight: 2, arbitrary: fc.array(tie("value"), { maxLength: 4 }) },
    {
      weight: 1,
      arbitrary: fc.dictionary(fc.constantFrom("a", "b", "x", "b64", "__proto__"), tie("value"), {
        maxKeys: 3,
      }),
    },
  ),
})).value;
const almost = fc.record(
  {
    instances: nested,
    inputs: nested,
    signature_name: fc.oneof(fc.constantFrom("serving_default", "columns", "nan", "scalar"), nested),
    extra: nested,
  },
  { requiredKeys: [] },
);
const body = fc.oneof(
  almost.map((value) => JSON.stringify(value)),
  fc.tuple(almost, fc.nat(), fc.string({ unit: "binary", maxLength: 3 })).map(([value, at, noise]) => {
    const text = JSON.stringify(value);
    const position = at % (text.length + 1);
    return text.slice(0, position) + noise + text.slice(position + (at % 2));
  }),
  fc.uint8Array({ maxLength: 50 }),
);

for (const [name, model] of [
  ["one float32 input", echoModel("float32", ["batch", 2])],
  ["one int64 input", echoModel("int64", ["batch"])],
  ["two inputs", pairModel()],
] as const) {
  test(`no body makes the server fail: ${name}`, async (t) => {
    const server = await serveFor(t, model);
    await fc.assert(
      fc.asyncProperty(body, async (bytes) => {
        const { status, text } = await predict(server, bytes);
        assert.ok(status === 200 || status === 400, `${status} ${text}`);
        if (status === 400) assert.ok(JSON.parse(text).error.length > 10);
      }),
      { numRuns: 400 },
    );
    assert.equal((await request(`${server.url}/ready`)).status, 200);
  });
}
