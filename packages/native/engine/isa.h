// Which of the compiled instruction sets this processor runs.
#pragma once

#include <string>

#include "../kernels/kernels.h"

namespace nagare {

// The kernels of the best instruction set of this processor, or of the one that NAGARE_ISA names.
// Null, with the reason in `error`, when NAGARE_ISA names one that is unknown or that the processor lacks.
const Kernels* choose_kernels(std::string& error);

}  // namespace nagare
