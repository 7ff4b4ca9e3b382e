import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { answerPredict, curlExample } from "@nagare/serve";
import type { DType } from "nagare";
import { answerOf, assertError, predict, request, serveFor } from "./client.ts";
import { echoModel, pairModel } from "./fakeModel.ts";

describe("one input", () => {
  test("rows give predictions, columns give outputs, without names", async (t) => {
    const server = await serveFor(t, echoModel("float32", ["batch", 2]));
    const rows = [
      [1, 2.5],
      [3, -4],
    ];
    assert.deepEqual(await answerOf(server, { instances: rows }), { predictions: rows });
    assert.deepEqual(await answerOf(server, { instances: rows.map((x) => ({ x })) }), { predictions: rows });
    assert.deepEqual(await answerOf(server, { inputs: rows }), { outputs: rows });
    assert.deepEqual(await answerOf(server, { inputs: { x: rows } }), { outputs: rows });
  });

  test("the path of a version answers like the model's", async (t) => {
    const server = await serveFor(t, echoModel("float32", ["batch"]));
    const answer = await request(`${server.modelUrl}/versions/1:predict`, {
      method: "POST",
      body: '{"instances": [1, 2]}',
    });
    assert.equal(answer.text, '{"predictions":[1.0,2.0]}');
  });

  test("keys that the server does not know are ignored, wherever they stand", async (t) => {
    const server = await serveFor(t, echoModel("float32", ["batch"]));
    const body =
      '{"id": {"a": [1, {}]}, "instances": [1], "note": "é\\u00e9", "signature_name": "serving_default"}';
    assert.equal((await predict(server, body)).text, '{"predictions":[1.0]}');
  });
});

describe("several inputs and outputs", () => {
  const rows = [
    { a: [1, 2], b: 10 },
    { b: 20, a: [3, 4] },
  ];

  test("rows are objects, and so are the predictions", async (t) => {
    const server = await serveFor(t, pairModel());
    assert.deepEqual(await answerOf(server, { instances: rows }), {
      predictions: [
        { sum: 13, echo: [1, 2] },
        { sum: 27, echo: [3, 4] },
      ],
    });
  });

  test("columns are an object, and so are the outputs", async (t) => {
    const server = await serveFor(t, pairModel());
    const inputs = {
      a: [
        [1, 2],
        [3, 4],
      ],
      b: [10, 20],
    };
    assert.deepEqual(await answerOf(server, { inputs }), { outputs: { sum: [13, 27], echo: inputs.a } });
    assert.deepEqual(await answerOf(server, { signature_name: "columns", inputs }), {
      outputs: { total: 40, echo: inputs.a },
    });
  });

  test("signature_name may stand last", async (t) => {
    const server = await serveFor(t, pairModel());
    const body = '{"inputs": 0.1, "signature_name": "scalar"}';
    assert.equal((await predict(server, body)).text, '{"outputs":0.1}');
  });

  test("outputs without a common first axis cannot be rows", async (t) => {
    const server = await serveFor(t, pairModel());
    const answer = await predict(server, { signature_name: "columns", instances: rows });
    assertError(answer, 400, /same first axis; received "total" of shape \[\].*"inputs"/);
  });

  test("a scalar input cannot be rows", async (t) => {
    const server = await serveFor(t, pairModel());
    const answer = await predict(server, { signature_name: "scalar", instances: [1] });
    assertError(answer, 400, /instances: expected inputs that have a first axis.*"inputs"/);
  });

  test("missing, unknown and repeated names are refused", async (t) => {
    const server = await serveFor(t, pairModel());
    const cases: [body: string, message: RegExp][] = [
      ['{"instances": [[1, 2]]}', /instances: expected a list of objects .* for the inputs "a", "b"/],
      ['{"inputs": [[1, 2]]}', /inputs: expected an object .* for the inputs "a", "b"/],
      [
        '{"instances": [{"a": [1, 2]}]}',
        /instances\[0\]: expected the inputs "a", "b"; received none for "b"/,
      ],
      ['{"inputs": {"a": [[1, 2]], "c": [1]}}', /inputs: expected each of .* once; received "c"\./],
      ['{"inputs": {"a": [[1, 2]], "a": [[1, 2]], "b": [1]}}', /once; received "a" twice/],
      [
        '{"instances": [{"a": [1, 2], "b": 1}, [1, 2]]}',
        /instances\[1\]: expected an object .*; received a list/,
      ],
      [
        '{"inputs": {"a": [[1, 2], [3, 4]], "b": [1]}}',
        /"b" is int32 \[batch\], and input "a" has batch = 2: .* received 1/,
      ],
      ['{"inputs": {"__proto__": [[1, 2]], "b": [1]}}', /received "__proto__"/],
    ];
    for (const [body, message] of cases) assertError(await predict(server, body), 400, message);
  });
});

describe("a wrong body is 400 and says where", () => {
  const cases: [body: string | Uint8Array, message: RegExp][] = [
    ["", /expected a JSON object; received the end of the text/],
    ["[1]", /expected a JSON object; received a list/],
    ['"x"', /expected a JSON object; received a string/],
    ["{", /not valid JSON: expected a string at byte 1; received the end of the text/],
    ["<xml/>", /not valid JSON: expected an object at byte 0; received "<"/],
    ['{"instances": [[1, 2]],}', /expected a string at byte 23; received "}"/],
    ['{"instances": [[1, 2]]} x', /expected the end of the text at byte 24; received "x"/],
    ['{"instances": [[1, 2}]', /expected "," or "\]" at byte 20; received "}"/],
    ['{"instances": [[1, 02]]}', /expected "," or "\]" at byte 20; received "2"/],
    ['{"instances": [[1, 2.]]}', /expected a digit after the decimal point/],
    ['{"instances": [[1, 2e]]}', /expected a digit in the exponent/],
    ['{"instances": [[1, +2]]}', /expected a value at byte 19; received "\+"/],
    ['{"instances": [[1, "a\n"]]}', /expected a string without control characters/],
    ['{"instances": [[1, "a]]}', /expected the closing quote of a string/],
    ['{"instances": [[1, nul]]}', /expected a value/],
    [`{"instances": ${"[".repeat(100_000)}`, /at most 100 levels/],
    [Uint8Array.from([0x7b, 0xff, 0xfe, 0x7d]), /not valid UTF-8/],
    ["{}", /expected either "instances" or "inputs"; received none/],
    ['{"instance": [[1, 2]]}', /received "instance"/],
    ['{"instances": [[1, 2]], "inputs": [[1, 2]]}', /received both/],
    ['{"instances": [[1, 2]], "instances": [[1, 2]]}', /each key once; received "instances" twice/],
    [
      '{"instances": [[1, 2]], "signature_name": "train"}',
      /signature_name: expected "serving_default"; received "train"/,
    ],
    ['{"instances": [[1, 2]], "signature_name": "constructor"}', /received "constructor"/],
    ['{"instances": [[1, 2]], "signature_name": 7}', /signature_name: expected a string; received a number/],
    ['{"instances": 3}', /instances: expected a list of rows; received a number/],
    ['{"instances": {"x": [1, 2]}}', /instances: expected a list of rows; received an object/],
    [
      '{"instances": []}',
      /"x" is float32 \[batch, 2\]: expected a list that is not empty at instances; received an empty one/,
    ],
    ['{"instances": [1, 2]}', /expected a list of 2 at instances\[0\]; received a number/],
    ['{"instances": [[1, 2], [3]]}', /expected a list of 2 at instances\[1\]; received one of 1/],
    ['{"instances": [[1, 2], [3, 4, 5]]}', /expected a list of 2 at instances\[1\]; received a longer one/],
    ['{"instances": [[1, 2], []]}', /expected a list of 2 at instances\[1\]; received an empty one/],
    ['{"instances": [[1, [2]]]}', /expected a number at instances\[0\]\[1\]; received a list/],
    ['{"instances": [[1, null]]}', /expected a number at instances\[0\]\[1\]; received null/],
    ['{"instances": [[1, true]]}', /expected a number at instances\[0\]\[1\]; received true/],
    ['{"instances": [[1, "2"]]}', /expected a number at instances\[0\]\[1\]; received the string "2"/],
    [
      '{"instances": [[1, 1e39]]}',
      /expected a number that float32 can hold at instances\[0\]\[1\]; received 1e39/,
    ],
    ['{"instances": [[1, 1e999]]}', /received 1e999/],
    [
      '{"instances": [[1, {"b64": "AA=="}]]}',
      /at instances\[0\]\[1\]; received an object \{"b64": …\}.*not supported/,
    ],
    ['{"instances": [{"b64": "AA=="}]}', /at instances\[0\]; received an object \{"b64": …\}/],
    ['{"inputs": {"b64": "AA=="}}', /at inputs; received an object \{"b64": …\}/],
    [
      '{"instances": [{"x": [1, "a"]}]}',
      /expected a number at instances\[0\]\.x\[1\]; received the string "a"/,
    ],
    ['{"inputs": {"x": [[1, 2], 3]}}', /expected a list of 2 at inputs\.x\[1\]; received a number/],
  ];
  for (const [body, message] of cases) {
    const name = typeof body === "string" ? JSON.stringify(body.slice(0, 60)) : "bytes that are no UTF-8";
    test(name, async (t) => {
      const server = await serveFor(t, echoModel("float32", ["batch", 2]));
      assertError(await predict(server, body), 400, message);
      assert.deepEqual(await answerOf(server, { instances: [[1, 2]] }), { predictions: [[1, 2]] });
    });
  }

  test("lists of a named inner axis must be as long as the first", async (t) => {
    const server = await serveFor(t, echoModel("float32", ["batch", "time"]));
    assertError(
      await predict(server, { instances: [[1, 2], [3]] }),
      400,
      /expected a list of 2, like the first at instances\[1\]; received one of 1/,
    );
    assert.deepEqual(await answerOf(server, { instances: [[1, 2, 3]] }), { predictions: [[1, 2, 3]] });
  });

  test("a first axis of a fixed size is held to", async (t) => {
    const server = await serveFor(t, echoModel("float32", [2]));
    assertError(
      await predict(server, { instances: [1, 2, 3] }),
      400,
      /expected a list of 2 at instances; received a longer one/,
    );
    assertError(
      await predict(server, { instances: [{ x: 1 }] }),
      400,
      /expected a list of 2 at instances; received one of 1/,
    );
  });
});

describe("dtypes", () => {
  const limits: [dtype: DType, good: string, bad: string[]][] = [
    ["float32", "[0.1,-1.5,3.4028235e+38,1.401298e-45,0.0]", ["3.4028236e38", "-1e40", "true"]],
    ["float64", "[0.1,1.7976931348623157e+308,5e-324]", ["1e309", "null"]],
    ["float16", "[0.5,65504.0,-2.0]", ["65520", "-1e9"]],
    ["bfloat16", "[0.5,-2.0,1.0]", ["3.4e38"]],
    ["int8", "[-128,127,0]", ["128", "-129", "0.5", "NaN", '"1"']],
    ["uint8", "[0,255]", ["256", "-1", "Infinity"]],
    ["int32", "[-2147483648,2147483647]", ["2147483648", "1e10", "false"]],
    [
      "int64",
      "[9007199254740993,-9223372036854775808,9223372036854775807,7]",
      ["9223372036854775808", "-9223372036854775809", "0.5", "1e30", "NaN", "12345678901234567890123"],
    ],
    ["bool", "[true,false]", ["1", "0", '"true"', "null"]],
  ];
  for (const [dtype, good, bad] of limits) {
    test(`${dtype}: what fits comes back exactly, what does not is refused with its position`, async (t) => {
      const server = await serveFor(t, echoModel(dtype, ["batch"]));
      const answer = await predict(server, `{"instances": ${good}}`);
      assert.equal(answer.text, `{"predictions":${good}}`);
      for (const element of bad) {
        const sample = dtype === "bool" ? "true" : "1";
        const refused = await predict(server, `{"instances": [${sample}, ${element}]}`);
        assertError(
          refused,
          400,
          new RegExp(`"x" is ${dtype} \\[batch\\]: expected .* at instances\\[1\\]; received`),
        );
      }
    });
  }

  test("a whole number written as a fraction or with an exponent is an integer", async (t) => {
    const server = await serveFor(t, echoModel("int32", ["batch"]));
    assert.equal(
      (await predict(server, '{"instances": [1.0, 1e3, -2E+1]}')).text,
      '{"predictions":[1,1000,-20]}',
    );
  });

  test("NaN and the infinities are read as tokens and as strings", async (t) => {
    const server = await serveFor(t, echoModel("float32", ["batch"]));
    for (const text of ["[NaN,Infinity,-Infinity]", '["NaN","Infinity","-Infinity"]']) {
      assert.equal(
        (await predict(server, `{"instances": ${text}}`)).text,
        '{"predictions":[NaN,Infinity,-Infinity]}',
      );
    }
  });

  test("NaN and the infinities are written as TensorFlow Serving's tokens, or as strings on request", async (t) => {
    const body = { signature_name: "nan", inputs: [[1, 2]] };
    const tokens = await serveFor(t, pairModel());
    assert.equal((await predict(tokens, body)).text, '{"outputs":[NaN,Infinity,-Infinity,-0.0]}');
    const strings = await serveFor(t, pairModel(), { nonFinite: "strings" });
    assert.equal((await predict(strings, body)).text, '{"outputs":["NaN","Infinity","-Infinity",-0.0]}');
  });
});

test("answerPredict answers without a server, with a signature chosen by the caller", async () => {
  const body = Buffer.from('{"inputs": 2}');
  assert.equal(await answerPredict(pairModel(), body, { signature: "scalar" }), '{"outputs":2.0}');
  await assert.rejects(answerPredict(pairModel(), body), { name: "RequestError", status: 400 });
});

test("50 requests at once get each their own answer", async (t) => {
  const server = await serveFor(t, echoModel("float32", ["batch", 3]));
  const bodies = Array.from({ length: 50 }, (_, i) => ({
    instances: Array.from({ length: (i % 5) + 1 }, () => [i, i + 0.5, 100 - i]),
  }));
  const answers = await Promise.all(bodies.map((body) => answerOf(server, body)));
  assert.deepEqual(
    answers,
    bodies.map((body) => ({ predictions: body.instances })),
  );
});

describe("the printed example request", () => {
  const models = {
    small: echoModel("float32", ["batch", 2]),
    bool: echoModel("bool", ["batch"]),
    fixed: echoModel("int32", [3, 2]),
    image: echoModel("uint8", ["batch", 28, 28, 1]),
    pair: pairModel(),
  };
  for (const [name, model] of Object.entries(models)) {
    test(`${name}: the server answers it`, async (t) => {
      const server = await serveFor(t, model);
      const command = curlExample(server.modelUrl, model);
      const { execFile } = await import("node:child_process");
      // fetch stands in for curl, which not every machine has: the command's JSON is what is tested.
      const [, json] = /^curl -d '(.*)' http/.exec(command) ?? [];
      const [, program] = /^node -p '(.*)' \| curl -d @- http/.exec(command) ?? [];
      const body =
        json ??
        (await new Promise<string>((resolve, reject) => {
          execFile(process.execPath, ["-p", program ?? ""], (error, stdout) =>
            error ? reject(error) : resolve(stdout),
          );
        }));
      const { status, text } = await predict(server, body);
      assert.equal(status, 200, `${command}\n${text}`);
    });
  }
});
