// The arithmetic of sampling: random distances and the chance that a block is taken. Pure, without
// libm (a call of libc, and of one that may not be loaded); doubles carry 53 bits, which is more
// than any figure here means. docs/sampling.md derives it, a test checks it.
#pragma once

#include <cstdint>

namespace lamprey::preload::memory::sampling {

// xorshift64*: one state a thread. The state is never 0.
inline std::uint64_t next_random(std::uint64_t& state) {
  state ^= state >> 12U;
  state ^= state << 25U;
  state ^= state >> 27U;
  return state * 0x2545F4914F6CDD1DU;
}

// Turns anything, 0 included, into a good start for next_random.
inline std::uint64_t seed_from(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15U;
  value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9U;
  value = (value ^ (value >> 27U)) * 0x94D049BB133111EBU;
  value ^= value >> 31U;
  return value != 0 ? value : 1;
}

// ln(value) for a positive, normal value: exponent apart, the rest by the series of atanh.
inline double natural_logarithm(double value) {
  std::uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  const auto exponent = static_cast<double>(static_cast<std::int64_t>(bits >> 52U) - 1023);
  bits = (bits & 0x000FFFFFFFFFFFFFU) | 0x3FF0000000000000U;
  double mantissa = 0;
  __builtin_memcpy(&mantissa, &bits, sizeof(mantissa));
  const double z = (mantissa - 1) / (mantissa + 1);  // at most 1/3
  const double square = z * z;
  double sum = 0;
  for (int odd = 25; odd >= 1; odd -= 2) {
    sum = (sum * square) + (1.0 / odd);
  }
  return (exponent * 0.6931471805599453) + (2 * z * sum);
}

// 1 - e^-x for x >= 0, good to the last bits also where x is tiny.
inline double chance_within(double x) {
  if (x >= 40) {
    return 1;
  }
  int halvings = 0;
  while (x > 0.25) {
    x /= 2;
    ++halvings;
  }
  double sum = 1;
  for (int n = 12; n >= 2; --n) {
    sum = 1 - (x / n * sum);
  }
  double chance = x * sum;
  for (; halvings > 0; --halvings) {
    chance = chance * (2 - chance);  // 1 - (1 - c)^2
  }
  return chance;
}

// The distance to the next sample: exponential with that mean, in whole units of at least 1.
inline std::uint64_t next_distance(std::uint64_t& state, std::uint64_t mean) {
  const auto uniform =
      static_cast<double>((next_random(state) >> 11U) + 1) * (1.0 / 9007199254740992.0);
  const double distance = -natural_logarithm(uniform) * static_cast<double>(mean);
  return static_cast<std::uint64_t>(distance) + 1;
}

// What one sampled block of `measure` units stands for: 1 / the chance that it was sampled.
inline double weight_of(std::uint64_t measure, std::uint64_t mean) {
  return 1 / chance_within(static_cast<double>(measure) / static_cast<double>(mean));
}

inline std::uint64_t weighted(std::uint64_t value, double weight) {
  const double product = static_cast<double>(value) * weight;
  const auto whole = static_cast<std::uint64_t>(product);
  return whole + (product - static_cast<double>(whole) >= 0.5 ? 1 : 0);
}

}  // namespace lamprey::preload::memory::sampling
