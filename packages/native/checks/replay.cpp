// Runs recorded programs on the engine without JavaScript, where Node cannot run: under an emulator of another processor.
//
// Standard input is one program after the other. Each is four 64-bit integers (counts of code, constants and memories, bytes of the
// arena), the code as 32-bit integers, then constants and memories, each its bytes' count and the bytes; every part is
// padded to 8 bytes. Standard output is, for each program, all its memories after the run in the same form.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "../engine/aligned.h"
#include "../engine/engine.h"

namespace {

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "replay: %s\n", message.c_str());
  std::exit(1);
}

// False at the end of the input.
bool read(void* to, size_t bytes) {
  const size_t got = std::fread(to, 1, bytes, stdin);
  if (got != 0 && got != bytes) fail("the input is cut off");
  return got == bytes;
}

void write(const void* from, size_t bytes) {
  if (std::fwrite(from, 1, bytes, stdout) != bytes) fail("the output cannot be written");
}

constexpr size_t padded(size_t bytes) { return (bytes + 7) / 8 * 8; }

// Memory that ends where the bytes end, up to the padding.
struct Memory {
  int64_t bytes = 0;
  char* data = nullptr;
};

Memory read_memory() {
  Memory memory;
  if (!read(&memory.bytes, sizeof memory.bytes)) fail("a memory is missing");
  const size_t bytes = padded(static_cast<size_t>(memory.bytes));
  memory.data = static_cast<char*>(nagare::allocate_aligned(bytes));
  if (bytes && !read(memory.data, bytes)) fail("a memory's bytes are missing");
  return memory;
}

}  // namespace

int main() {
  nagare::Engine& engine = nagare::Engine::instance();
  if (!engine.unavailable().empty()) fail(engine.unavailable());
  // More than one, so that work is split.
  engine.set_threads(2, true);
  std::fprintf(stderr, "%s\n", engine.kernels().name);
  for (int64_t header[4]; read(header, sizeof header);) {
    std::vector<int32_t> code(padded(static_cast<size_t>(header[0]) * 4) / 4);
    if (!code.empty() && !read(code.data(), code.size() * 4)) fail("the code is missing");
    std::vector<nagare::Constant> constants;
    for (int64_t i = 0; i < header[1]; i++) {
      const Memory memory = read_memory();
      constants.push_back({memory.data, static_cast<size_t>(memory.bytes)});
    }
    std::vector<Memory> memories;
    std::vector<char*> external;
    for (int64_t i = 0; i < header[2]; i++) {
      memories.push_back(read_memory());
      external.push_back(memories.back().data);
    }
    try {
      const nagare::Program program(engine.kernels(), code.data(), static_cast<size_t>(header[0]), constants,
                                    static_cast<int>(header[2]), static_cast<size_t>(header[3]));
      const std::string error = engine.run(program, external.data(), {});
      if (!error.empty()) fail(error);
    } catch (const nagare::InvalidProgram& error) {
      fail(error.what());
    }
    for (const Memory& memory : memories) {
      write(&memory.bytes, sizeof memory.bytes);
      write(memory.data, padded(static_cast<size_t>(memory.bytes)));
      std::free(memory.data);
    }
    for (const nagare::Constant& constant : constants) std::free(const_cast<void*>(constant.data));
  }
  std::fflush(stdout);
  // The engine's threads end with the process.
  std::_Exit(0);
}
