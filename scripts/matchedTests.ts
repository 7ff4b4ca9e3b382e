/** A reporter for node:test that says how many tests ran. Node's own summary also counts files in which none matched. */
import type { TestEvent } from "node:test/reporters";

export default async function* matchedTests(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let count = 0;
  for await (const { type, data } of events) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    const standsForFile = data.file?.endsWith(data.name) === true;
    if (data.details.type !== "suite" && !standsForFile) count += 1;
  }
  yield String(count);
}
