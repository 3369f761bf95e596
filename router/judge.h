// Task, difficulty and uncertainty of a request: by the trained weights where they can be used, by
// the static rule where not.
#pragma once

#include "router/brain.h"
#include "router/chat.h"
#include "router/classification.h"
#include "router/features.h"

namespace jevons {

struct Judgement {
  double difficulty = 0.5;
  double uncertainty = 1.0;
  double gain = 0;          // what a strong model is expected to gain on a weak one
  double length_shift = 0;  // log of the answer's length beside what is typical of the task
  bool from_brain = false;  // false: the static rule alone
  Trunk trunk{};            // zero without a brain
};

Task task_of(const ChatRequest& request, const Features& features);
// The task by the text alone.
Task task_of_text(const Features& features);

// `brain` may be null.
Judgement judge(const Features& features, Task task, const Brain* brain);
inline Judgement judge(const Features& features, const Brain* brain) {
  return judge(features, task_of_text(features), brain);
}

}  // namespace jevons
