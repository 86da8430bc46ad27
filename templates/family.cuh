// The axes of the family as the device code sees them. Every kernel is instantiated with one Traits struct that the
// generator writes from these: see generator/render.cpp.
#pragma once

namespace osdn {

enum class ElementType { bf16, fp16, fp32 };
enum class Fp32Math { tf32, tf32x3 };
enum class Precondition { none, osdn };
enum class Apf { none, constant, per_head, per_token, per_channel };
enum class Norm { max, add, one };
enum class BetaType { fp32, element };
enum class Decay { none, scalar, vector };
enum class Erase { none, beta, vector };
enum class ValueCoefficient { one, beta, vector };
enum class PreconditionerAlgorithm { serial, parallel };
enum class InverseAlgorithm { substitution, blocked };

}  // namespace osdn
