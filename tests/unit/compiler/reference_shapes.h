// Shapes of small random models on which plans are tried.
#pragma once

#include "tests/support/reference_llm.h"

namespace hpimvp::test {

inline ReferenceShape tiny_opt() {
  ReferenceShape shape;
  shape.opt = true;
  shape.layers = 2;
  shape.hidden = shape.embedding = 40;
  shape.heads = shape.kv_heads = 5;
  shape.head_dim = 8;
  shape.ffn = 72;
  shape.vocabulary = 51;
  shape.positions = 100;
  shape.tied = true;
  return shape;
}

// Nothing is a multiple of anything: 7 query heads a KV head, heads * head_dim unlike hidden.
inline ReferenceShape odd_llama() {
  ReferenceShape shape;
  shape.layers = 2;
  shape.hidden = shape.embedding = 45;
  shape.heads = 21;
  shape.kv_heads = 3;
  shape.head_dim = 6;
  shape.ffn = 331;
  shape.vocabulary = 67;
  shape.positions = 150;
  shape.rotate_half = true;
  shape.rope_theta = 500;
  return shape;
}

}  // namespace hpimvp::test
