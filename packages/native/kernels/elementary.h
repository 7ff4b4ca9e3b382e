// Elementary functions of vectors: branch-free, right for NaN, infinities and subnormals, without libm.
// Errors are the largest found against a 200-bit evaluation over dense sweeps (f32: every float where the comment says "all").
#pragma once

#include "math_exponential.h"
#include "math_power.h"
#include "math_trigonometric.h"
