// What loading a model, a tokenizer or a preset, and compiling, reports when its input is unusable.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace hpimvp::compiler {

// The message names the file, the field or tensor in it, what was found and what is allowed.
class ModelError : public std::runtime_error {
 public:
  explicit ModelError(const std::string& message) : std::runtime_error(message) {}
  ModelError(std::string_view file, std::string_view place, std::string_view problem)
      : std::runtime_error(join(file, place, problem)) {}

 private:
  static std::string join(std::string_view file, std::string_view place, std::string_view problem) {
    std::string message(file);
    if (!place.empty()) message.append(": ").append(place);
    return message.append(": ").append(problem);
  }
};

}  // namespace hpimvp::compiler
