// Elementary functions of vectors: branch-free, right for NaN, infinities and subnormals, without libm.
//
// Largest errors found, in ulp, on AVX2, SSE4 and AVX-512, against 80-bit long doubles: every 97th float32 over the whole range, 400,000
// float64 of each of several intervals.
//   float32  exp 1.1  expm1 1.7  log 1.0  log1p 1.7  tanh 2.5  sigmoid 2.3  erf 2.6  sin 2.1  cos 2.2  pow 0.6
//   float64  exp 1.0  expm1 2.0  log 0.9  log1p 1.5  tanh 2.5  sigmoid 2.3  erf 2.3  sin 0.8  cos 0.8  pow 1.2
#pragma once

#include "math_erf.h"
#include "math_exponential.h"
#include "math_power.h"
#include "math_trigonometric.h"
