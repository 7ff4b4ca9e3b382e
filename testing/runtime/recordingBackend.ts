/** A backend that remembers what it is asked to do. */
import { type Backend, type Executable, type Graph, loadBackend } from "nagare/backend";

/** The reference under another name, with the operations it prepared and executed, and the graphs it compiled and ran. */
export function recordingBackend() {
  const reference = loadBackend("reference");
  const prepared: string[] = [];
  const executed: string[] = [];
  const compiled: Graph[] = [];
  const ran: Graph[] = [];
  const backend: Backend = {
    name: "recording",
    description: "the reference, with a record",
    prepare(op, inputs, params, outputs) {
      prepared.push(op.name);
      const run = reference.prepare(op, inputs, params, outputs);
      return (operands) => {
        executed.push(op.name);
        return run(operands);
      };
    },
    compile(graph): Executable {
      compiled.push(graph);
      const executable = reference.compile(graph);
      return {
        run(inputs, reuse) {
          ran.push(graph);
          return executable.run(inputs, reuse);
        },
      };
    },
  };
  return { backend, prepared, executed, compiled, ran };
}
