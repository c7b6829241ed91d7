// The trained model that tests read from beside the project, where it is available.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace hpimvp::test {

// A file of the shared data folder. If it is missing the test ends here as skipped (exit code 77,
// which ctest reports as such).
inline std::filesystem::path shared_data(const char* name) {
  const std::filesystem::path path = std::filesystem::path(HPIMVP_SHARED_DATA) / name;
  if (!std::filesystem::exists(path)) {
    std::fprintf(stderr, "SKIPPED: %s is missing (CMake: HPIMVP_SHARED_DATA)\n", path.c_str());
    std::exit(77);
  }
  return path;
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct GreedyText {
  std::string prompt;
  std::string text;
};

// stories260K.greedy.txt: blocks "### prompt: "P" (200 positions, temperature 0)", then the text.
inline std::vector<GreedyText> greedy_texts() {
  const std::string content = read_text(shared_data("stories260K.greedy.txt"));
  std::vector<GreedyText> texts;
  const std::string mark = "### prompt: \"";
  for (std::size_t at = content.find(mark); at != std::string::npos;) {
    const std::size_t prompt = at + mark.size();
    const std::size_t prompt_end = content.find('"', prompt);
    const std::size_t text = content.find('\n', prompt_end) + 1;
    at = content.find(mark, text);
    std::string body = content.substr(text, at == std::string::npos ? at : at - text);
    while (!body.empty() && body.back() == '\n') body.pop_back();
    texts.push_back({content.substr(prompt, prompt_end - prompt), body});
  }
  return texts;
}

}  // namespace hpimvp::test
