// From a request to what the router learns of it; nothing happens where nothing is learnt.
#pragma once

#include "gateway/attempt.h"
#include "gateway/exchange.h"
#include "gateway/learning_book.h"

namespace jevons {

// What a whole answer shows: valid or invalid JSON and tool calls, a refusal, a cut end. Pure.
AnswerSign sign_of(const ChatRequest& request, const ChatResponse& response);

// Whether answers themselves teach under the policy of this request.
bool learns_from_answers(const Exchange& exchange);
// A whole answer is there, too weak to be delivered or not.
void teach_from_answer(Exchange& exchange, const Attempt& attempt);
// An answer was delivered: it is remembered for feedback; a streamed one shows what a whole one
// does, or at least how it ended.
void teach_when_served(Exchange& exchange);
// Feedback that the ledger has accepted.
void teach_from_feedback(Exchange& exchange, const Feedback& feedback);

}  // namespace jevons
