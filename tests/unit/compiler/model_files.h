// Model files made from a reference model: what the loaders are tested with.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "platform/compiler/model_weights.h"
#include "tests/support/reference_llm.h"

namespace hpimvp::test {

std::vector<std::byte> llama2c_checkpoint(const ReferenceModel& model);
std::string hugging_face_config(const ReferenceShape& shape);
std::vector<std::byte> safetensors_file(const ReferenceModel& model, compiler::ElementType type);

// The model as the compiler's loader sees it; `storage` receives the bytes and must outlive it.
compiler::Model load_through_hugging_face(const ReferenceModel& model, compiler::ElementType type,
                                          std::vector<std::byte>& storage);

}  // namespace hpimvp::test
