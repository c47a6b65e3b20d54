// SPDX-License-Identifier: MIT
// One request's answers on their way.
#include "serve/text_reply.h"

#include <algorithm>
#include <ctime>
#include <utility>

namespace hadal {
namespace {

// Answers of one request that the worker has at once: more would fill the queue of its owner.
constexpr int64_t kMostAtOnce = 8;

double seconds_between(std::chrono::steady_clock::time_point from,
                       std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

TokenLogprob logprob_of(const Tokenizer& tokenizer, const GeneratedToken& token) {
  const auto bytes = [&](int64_t id) {
    return std::string(tokenizer.token_bytes(static_cast<int32_t>(id)));
  };
  TokenLogprob told{bytes(token.sample.id), token.sample.logprob, {}};
  for (const Sample& other : token.likeliest)
    told.likeliest.emplace_back(bytes(other.id), other.logprob);
  return told;
}

}  // namespace

// One of the answers.  `begun`, `read` and `generation` are looked at under the lock; all the rest
// is the worker's thread's.
struct TextReply::Choice {
  explicit Choice(ReplyReader the_reader)
      : reader(std::move(the_reader)), reasons(reader.reasons()) {}

  ReplyReader reader;
  WholeReply whole;
  ReplyEnd end;
  bool over = false, told_end = false;
  std::optional<Clock::time_point> last_token;
  double first_token_seconds = -1;
  std::atomic<bool> reasons;
  bool begun = false, read = false;
  std::weak_ptr<Generation> generation;
};

class TextReply::Sink : public GenerationSink {
 public:
  Sink(std::shared_ptr<TextReply> reply, size_t choice)
      : reply_(std::move(reply)), choice_(choice) {}

  void prefill(int64_t done, int64_t all) override { reply_->prefill(choice_, done, all); }
  void prompt_token(const GeneratedToken& token) override { reply_->prompt_token(choice_, token); }
  Flow token(const GeneratedToken& token) override { return reply_->token(choice_, token); }
  void ended(const GenerationEnd& end) override { reply_->ended(choice_, end); }

 private:
  const std::shared_ptr<TextReply> reply_;
  const size_t choice_;
};

TextReply::TextReply(Api& api, TextReplyParts parts) : api_(api), parts_(std::move(parts)) {
  const size_t count = parts_.plans.size() * static_cast<size_t>(parts_.answers);
  for (size_t i = 0; i < count; ++i)
    choices_.push_back(std::make_unique<Choice>(
        ReplyReader(api_.model_.tokenizer, plan_of(i).form, parts_.call_prefix)));
  for (size_t i = 0; i < count; ++i) choices_[i]->end.choice = static_cast<int64_t>(i);
  // Before the worker can say anything: the writer knows the order of what it is told.
  if (parts_.stream) early_ = parts_.writer->begin();
  for (const ReplyPlan& plan : parts_.plans) {
    prompt_logprobs_.emplace_back();
    // The first token has no probability: nothing stands before it.
    if (plan.generation.tells_prompt)
      prompt_logprobs_.back().push_back(logprob_of(
          api_.model_.tokenizer, {.sample = {plan.generation.prompt.front(), 0}, .likeliest = {}}));
  }
  for (size_t i = 0; i < count; ++i)
    if (!plan_of(i).generation.tells_prompt) echo(i);
}

TextReply::~TextReply() = default;

Submitted TextReply::start() {
  const std::optional<Submitted> first = submit_next();
  if (!first) return Submitted::full;  // the server has come to its end in between
  if (*first != Submitted::yes) return *first;
  {
    const std::lock_guard lock(mutex_);
    Exchange& exchange = *parts_.exchange;
    exchange.watch(
        [self = weak_from_this()] {
          if (const std::shared_ptr<TextReply> reply = self.lock()) reply->leave();
        },
        [self = weak_from_this()](bool behind) {
          if (const std::shared_ptr<TextReply> reply = self.lock()) reply->pause(behind);
        });
    if (parts_.stream) {
      exchange.begin_stream(parts_.headers);
      exchange.write(std::exchange(early_, {}));
      if (over_) exchange.end();
    } else if (!over_) {
      exchange.expect_long_wait(parts_.headers);
    }
    started_ = true;
  }
  go_on();
  return Submitted::yes;
}

// The next answer that may begin.
std::optional<size_t> TextReply::take_next() {
  const std::lock_guard lock(mutex_);
  if (cut_ || gone_ || stopped_ || running_ >= kMostAtOnce) return std::nullopt;
  for (size_t i = 0, leader = 0; i < choices_.size(); ++i) {
    if (leads(i)) leader = i;
    if (choices_[i]->begun || (i != leader && !choices_[leader]->read)) continue;
    choices_[i]->begun = true;
    ++running_;
    return i;
  }
  return std::nullopt;
}

// Nothing: none may begin now.
std::optional<Submitted> TextReply::submit_next() {
  const std::optional<size_t> next = take_next();
  if (!next) return std::nullopt;
  const size_t number = *next % static_cast<size_t>(parts_.answers);
  const Submission made =
      api_.model_.worker.submit(generation_of(plan_of(*next), static_cast<int64_t>(number)),
                                std::make_shared<Sink>(shared_from_this(), *next));
  const std::lock_guard lock(mutex_);
  refused_ = made.state;
  if (made.state != Submitted::yes) {
    choices_[*next]->begun = false;
    --running_;
    return made.state;
  }
  choices_[*next]->generation = made.generation;
  if (cut_ || gone_ || stopped_) made.generation->cancel();
  if (behind_) made.generation->pause(true);
  return made.state;
}

// Begins what may begin; where nothing runs any more, nothing will.
void TextReply::go_on() {
  while (submit_next() == Submitted::yes) {
  }
  {
    const std::lock_guard lock(mutex_);
    if (running_ > 0 || concluding_) return;
    concluding_ = true;
  }
  book();
}

void TextReply::cancel_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& choice : choices_)
    if (const auto generation = choice->generation.lock()) generation->cancel();
}

// Its client is gone.
void TextReply::leave() {
  {
    const std::lock_guard lock(mutex_);
    gone_ = true;
  }
  cancel_all();
}

void TextReply::pause(bool behind) {
  const std::lock_guard lock(mutex_);
  behind_ = behind;
  for (const auto& choice : choices_)
    if (const auto generation = choice->generation.lock()) generation->pause(behind);
}

void TextReply::cut() {
  {
    const std::lock_guard lock(mutex_);
    cut_ = true;
  }
  cancel_all();
}

void TextReply::stop() {
  stopped_ = true;
  cancel_all();
}

bool TextReply::end_reasoning() {
  const bool any = std::any_of(choices_.begin(), choices_.end(),
                               [](const auto& choice) { return choice->reasons.load(); });
  if (any) enough_reasoning_ = true;
  return any;
}

// The end of thinking is a token like any other; that it comes next is all that is asked for.
void TextReply::watch_reasoning(Choice& choice) {
  choice.reasons = choice.reader.reasons();
  if (!choice.reasons || !enough_reasoning_) return;
  const std::lock_guard lock(mutex_);
  if (const std::shared_ptr<Generation> generation = choice.generation.lock())
    generation->insist(*choice.reader.think_end());
}

bool TextReply::is(const std::string& id, const std::string& key_id) const {
  return parts_.id == id && (parts_.key ? parts_.key->id : "") == key_id;
}

void TextReply::prefill(size_t choice, int64_t done, int64_t all) {
  parts_.exchange->comment("prefill " + std::to_string(done) + "/" + std::to_string(all));
  if (done < all || choices_[choice]->read) return;
  if (plan_of(choice).generation.tells_prompt) echo(choice);
  {
    const std::lock_guard lock(mutex_);
    choices_[choice]->read = true;
  }
  if (parts_.answers > 1) go_on();
}

void TextReply::prompt_token(size_t choice, const GeneratedToken& token) {
  prompt_logprobs_[choice / static_cast<size_t>(parts_.answers)].push_back(
      logprob_of(api_.model_.tokenizer, token));
}

// What a completion repeats of its prompt, with the probabilities if they are told.
void TextReply::echo(size_t choice) {
  const ReplyPlan& plan = plan_of(choice);
  std::vector<TokenLogprob> told = prompt_logprobs_[choice / static_cast<size_t>(parts_.answers)];
  told.erase(told.begin(), told.begin() + std::min<long>(plan.told_from, std::ssize(told)));
  if (!told.empty()) told.front() = {told.front().bytes, std::nullopt, {}};
  if (plan.echoed.empty() && told.empty()) return;
  say(words_of(choice, {ReplyEvent::Kind::content, plan.echoed, {}}, told));
}

Flow TextReply::token(size_t number, const GeneratedToken& token) {
  Choice& choice = *choices_[number];
  const Clock::time_point now = Clock::now();
  if (choice.last_token)
    api_.metrics_.between_tokens(seconds_between(*choice.last_token, now));
  else
    choice.first_token_seconds = seconds_between(came_, now);
  choice.last_token = now;
  tell(number, choice.reader.add(token));
  watch_reasoning(choice);
  return choice.reader.stopped() ? Flow::stop : Flow::go_on;
}

void TextReply::tell(size_t number, std::vector<ReplyEvent> events) {
  std::string bytes;
  for (ReplyEvent& event : events)
    bytes += words_of(number, std::move(event), choices_[number]->reader.take_logprobs());
  say(std::move(bytes));
}

// Of a stream; what is told whole is kept.
std::string TextReply::words_of(size_t number, ReplyEvent event,
                                const std::vector<TokenLogprob>& logprobs) {
  event.choice = static_cast<int64_t>(number);
  if (parts_.stream) return parts_.writer->add(event, logprobs);
  WholeReply& whole = choices_[number]->whole;
  whole.add(event);
  whole.logprobs.insert(whole.logprobs.end(), logprobs.begin(), logprobs.end());
  return {};
}

void TextReply::say(std::string bytes) {
  if (bytes.empty()) return;
  const std::lock_guard lock(mutex_);
  if (started_)
    parts_.exchange->write(std::move(bytes));
  else
    early_ += bytes;
}

void TextReply::ended(size_t number, const GenerationEnd& end) {
  Choice& choice = *choices_[number];
  tell(number, choice.reader.finish());
  // Tokens whose text never came out still have their probabilities told.
  if (const std::vector<TokenLogprob> rest = choice.reader.take_logprobs(); !rest.empty())
    say(words_of(number, {ReplyEvent::Kind::content, {}, {}}, rest));
  choice.end = choice.reader.end_of(end);
  choice.end.choice = static_cast<int64_t>(number);
  const bool others = std::any_of(choices_.begin(), choices_.end(), [&](const auto& other) {
    return other.get() != &choice && !other->over;
  });
  choice.over = true;
  if (others && parts_.stream && !error_of(end)) {
    choice.told_end = true;
    say(parts_.writer->end_of_choice(choice.end));
  }
  {
    const std::lock_guard lock(mutex_);
    --running_;
  }
  go_on();
}

// Begun or not: those whose client has enough never begin.
void TextReply::book() {
  const ReplyEnd end = whole_end();
  api_.bookkeeper_.add(entry_of(end.generation),
                       [self = shared_from_this(), end](const std::optional<Bill>& bill) {
                         self->conclude(end, bill);
                       });
}

// Of all answers together: every prompt once, and all that was written.
ReplyEnd TextReply::whole_end() const {
  ReplyEnd whole;
  for (const auto& choice : choices_)
    if (!choice->told_end) whole = choice->end;
  whole.reasoning = 0;
  GenerationEnd& run = whole.generation;
  run = {.finish = run.finish, .kept = run.kept};
  for (size_t i = 0; i < choices_.size(); ++i) {
    const GenerationEnd& one = choices_[i]->end.generation;
    run.output += one.output;
    run.decode_seconds = std::max(run.decode_seconds, one.decode_seconds);
    whole.reasoning += choices_[i]->end.reasoning;
    if (!leads(i)) continue;
    run.hit += one.hit;
    run.miss += one.miss;
    run.queue_seconds = std::max(run.queue_seconds, one.queue_seconds);
    run.prefill_seconds += one.prefill_seconds;
  }
  for (const ReplyPlan& plan : parts_.plans) whole.pictures += plan.picture_tokens;
  return whole;
}

std::optional<LedgerEntry> TextReply::entry_of(const GenerationEnd& end) const {
  if (!parts_.key) return std::nullopt;
  return LedgerEntry{.request = parts_.exchange->request().id,
                     .key = parts_.key->number,
                     .time = std::time(nullptr),
                     .what = api_.model_.id,
                     .usage = {.hit = end.hit, .miss = end.miss, .output = end.output}};
}

std::optional<ApiError> TextReply::error_of(const GenerationEnd& end) const {
  if (end.finish == GenerationFinish::deadline)
    return ApiError{.status = 504, .message = "the answer took longer than a request may"};
  if (end.finish == GenerationFinish::cancelled && !stopped_) return shutting_down();
  return std::nullopt;
}

std::optional<ApiError> TextReply::error() const {
  bool all = true;
  for (const auto& choice : choices_) {
    all = all && choice->over;
    if (!choice->over) continue;
    if (std::optional<ApiError> error = error_of(choice->end.generation)) return error;
  }
  if (all || stopped_) return std::nullopt;
  if (refused_ != Submitted::yes) return Api::queue_error(refused_);
  return error_of({.finish = GenerationFinish::cancelled});
}

void TextReply::measure(const Choice& choice) {
  if (!choice.over) return;
  const bool cut = error_of(choice.end.generation).has_value();
  api_.metrics_.finished({.finish = cut ? "abort" : std::string(openai_finish(choice.end.finish)),
                          .generation = choice.end.generation,
                          .first_token_seconds = choice.first_token_seconds,
                          .whole_seconds = seconds_between(came_, Clock::now()),
                          .malformed_call = choice.reader.malformed()});
}

// On the bookkeeper's thread.
void TextReply::conclude(ReplyEnd end, const std::optional<Bill>& bill) {
  for (const auto& choice : choices_) measure(*choice);
  if (bill) {
    end.currency = bill->currency;
    end.cost = bill->amount;
  }
  if (parts_.key)
    api_.limiter_.leave(parts_.key->number, parts_.key->limits, end.generation.output,
                        Clock::now());
  const std::optional<ApiError> failure = error();
  Exchange& exchange = *parts_.exchange;
  if (!parts_.stream) {
    HttpReply reply = failure ? error_reply(*failure, parts_.family, exchange.request().id)
                              : HttpReply{.status = 200, .body = whole_words(end)};
    reply.headers.insert(reply.headers.end(), parts_.headers.begin(), parts_.headers.end());
    const std::lock_guard lock(mutex_);
    over_ = true;
    exchange.reply(std::move(reply));
  } else {
    say(failure ? parts_.writer->failed(*failure) : last_words(end));
    const std::lock_guard lock(mutex_);
    over_ = true;
    if (started_) exchange.end();
  }
  api_.forget(*this);
}

// The ends that were not told yet, and of the last of them the end of all.
std::string TextReply::last_words(const ReplyEnd& end) {
  std::string words;
  for (const auto& choice : choices_)
    if (!choice->told_end && choice->end.choice != end.choice)
      words += parts_.writer->end_of_choice(choice->end);
  return words + parts_.writer->end(end);
}

std::string TextReply::whole_words(const ReplyEnd& end) {
  std::vector<WholeReply> answers;
  for (const auto& choice : choices_) {
    answers.push_back(std::move(choice->whole));
    answers.back().finish = choice->end.finish;
  }
  return parts_.writer->whole(answers, end);
}

}  // namespace hadal
