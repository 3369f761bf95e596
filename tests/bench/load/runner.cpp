#include "tests/bench/load/runner.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <stdexcept>
#include <thread>
#include <utility>

namespace load {
namespace {

std::chrono::nanoseconds nanoseconds(double seconds) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

}  // namespace

Runner::Runner(Options options) : options_(std::move(options)) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  clients_.resize(static_cast<std::size_t>(options_.connections));
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (!open(clients_[i])) throw std::runtime_error("cannot connect");
    idle_.push_back(i);
  }
}

Runner::~Runner() {
  for (Client& client : clients_)
    if (client.fd >= 0) close(client.fd);
  close(epoll_);
}

bool Runner::open(Client& client) {
  client.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options_.port);
  inet_pton(AF_INET, options_.host.c_str(), &address.sin_addr);
  const int on = 1;
  setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(client.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    close(std::exchange(client.fd, -1));
    return false;
  }
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = static_cast<std::uint64_t>(&client - clients_.data());
  epoll_ctl(epoll_, EPOLL_CTL_ADD, client.fd, &event);
  client.reader.reset();
  return true;
}

void Runner::start(Client& client, Clock::time_point due) {
  if (client.fd < 0 && !open(client)) {
    ++report_.broken;
    idle(client);
    return;
  }
  client.busy = true;
  client.started = due;
  client.reader.reset();
  client.carry.clear();
  client.out = options_.requests[next_request_++ % options_.requests.size()];
  client.out_at = 0;
  if (!pump_out(client)) fail(client);
}

bool Runner::pump_out(Client& client) {
  while (client.out_at < client.out.size()) {
    const auto sent = send(client.fd, client.out.data() + client.out_at,
                           client.out.size() - client.out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno != EAGAIN && errno != EINTR) return false;
      break;
    }
    client.out_at += static_cast<std::size_t>(sent);
  }
  const bool more = client.out_at < client.out.size();
  if (more || client.connecting) {
    epoll_event event{};
    event.events = EPOLLIN | (more ? EPOLLOUT : 0U);
    event.data.u64 = static_cast<std::uint64_t>(&client - clients_.data());
    epoll_ctl(epoll_, EPOLL_CTL_MOD, client.fd, &event);
    client.connecting = more;
  }
  return true;
}

void Runner::fail(Client& client) {
  if (client.fd >= 0) close(std::exchange(client.fd, -1));
  if (!std::exchange(client.busy, false)) return;
  if (measuring_) ++report_.broken;
  ++answered_;
  idle(client);
}

void Runner::idle(Client& client) {
  idle_.push_back(static_cast<std::size_t>(&client - clients_.data()));
}

void Runner::read_stamps(Client& client, std::string_view body, Clock::time_point now) {
  client.carry += body;
  std::size_t at = 0;
  while ((at = client.carry.find("t=", at)) != std::string::npos) {
    if (client.carry.size() < at + 23) break;
    std::int64_t sent = 0;
    const char* const digits = client.carry.data() + at + 2;
    const auto result = std::from_chars(digits, digits + 20, sent);
    if (result.ptr == digits + 20 && measuring_)
      report_.chunk_delay.add(now.time_since_epoch().count() - sent);
    at += 2;
  }
  const std::size_t keep = at == std::string::npos ? std::min<std::size_t>(client.carry.size(), 1)
                                                   : client.carry.size() - at;
  client.carry.erase(0, client.carry.size() - keep);
}

void Runner::on_bytes(Client& client, std::string_view bytes) {
  const Clock::time_point now = Clock::now();
  std::string body;
  client.reader.feed(bytes, options_.stamps ? &body : nullptr);
  if (options_.stamps) read_stamps(client, body, now);
  if (client.reader.broken()) fail(client);
  if (client.busy && client.reader.done()) on_answer(client, now);
}

void Runner::on_answer(Client& client, Clock::time_point now) {
  client.busy = false;
  ++answered_;
  if (measuring_) {
    const std::int64_t took = (now - client.started).count();
    ++report_.statuses[client.reader.status()];
    if (client.reader.status() == 200) {
      ++report_.completed;
      report_.latency.add(took);
      if (took > nanoseconds(options_.deadline_seconds).count()) ++report_.late;
    } else {
      report_.refusal_latency.add(took);
    }
  }
  if (!client.reader.keep_alive()) close(std::exchange(client.fd, -1));
  idle(client);
}

void Runner::on_event(Client& client, std::uint32_t events) {
  if (client.fd < 0) return;
  if ((events & EPOLLOUT) != 0 && !pump_out(client)) return fail(client);
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
  char buffer[65536];
  const auto got = recv(client.fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (got > 0) return on_bytes(client, {buffer, static_cast<std::size_t>(got)});
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  client.reader.on_close();
  if (client.busy && client.reader.done()) {
    on_answer(client, Clock::now());
    if (client.fd >= 0) close(std::exchange(client.fd, -1));
  } else {
    fail(client);
  }
}

void Runner::launch_due(Clock::time_point now) {
  const bool more = options_.count == 0 || next_request_ < static_cast<std::size_t>(options_.count);
  if (options_.rate <= 0) {
    for (std::size_t n = idle_.size(); n > 0 && more; --n) {
      const std::size_t index = idle_.front();
      idle_.pop_front();
      start(clients_[index], now);
      if (options_.count != 0 && next_request_ >= static_cast<std::size_t>(options_.count)) break;
    }
    return;
  }
  while (next_due_ <= now && next_due_ < end_) {
    backlog_.push_back(next_due_);
    next_due_ += nanoseconds(1.0 / options_.rate);
  }
  while (!backlog_.empty() && !idle_.empty()) {
    const std::size_t index = idle_.front();
    idle_.pop_front();
    const Clock::time_point due = backlog_.front();
    backlog_.pop_front();
    start(clients_[index], due);
  }
}

void Runner::wait() {
  epoll_event events[256];
  Clock::time_point until = end_;
  if (!measuring_) until = std::min(until, begin_);
  if (options_.rate > 0) until = std::min(until, std::max(next_due_, Clock::now()));
  const std::int64_t left = std::max<std::int64_t>(0, (until - Clock::now()).count());
  const timespec timeout = {left / 1'000'000'000, left % 1'000'000'000};
  const int count = epoll_pwait2(epoll_, events, 256, &timeout, nullptr);
  for (int i = 0; i < count; ++i)
    on_event(clients_[static_cast<std::size_t>(events[i].data.u64)], events[i].events);
}

bool Runner::finished(Clock::time_point now) const {
  return options_.count > 0 ? answered_ >= options_.count || now >= end_ : now >= end_;
}

Report Runner::run() {
  const Clock::time_point start_time = Clock::now();
  begin_ = next_due_ = start_time + nanoseconds(options_.warmup_seconds);
  if (options_.warmup_seconds > 0) next_due_ = start_time;
  end_ = begin_ + nanoseconds(options_.seconds);
  Clock::time_point now = start_time;
  measuring_ = options_.warmup_seconds <= 0;
  while (!finished(now)) {
    measuring_ = measuring_ || now >= begin_;
    launch_due(now);
    wait();
    now = Clock::now();
  }
  report_.seconds = std::chrono::duration<double>(now - begin_).count();
  // Open loop: what is on its way may still arrive within its deadline.
  const Clock::time_point grace =
      now + nanoseconds(options_.rate > 0 ? options_.deadline_seconds : 0);
  const auto busy = [this] {
    std::int64_t count = 0;
    for (const Client& client : clients_) count += client.busy ? 1 : 0;
    return count;
  };
  end_ = grace;
  while (options_.rate > 0 && Clock::now() < grace && (busy() > 0 || !backlog_.empty())) {
    while (!backlog_.empty() && !idle_.empty()) launch_due(begin_ - nanoseconds(1));
    next_due_ = grace;
    wait();
  }
  report_.unanswered = options_.rate > 0 ? busy() + static_cast<std::int64_t>(backlog_.size()) : 0;
  if (options_.hold_seconds > 0) std::this_thread::sleep_for(nanoseconds(options_.hold_seconds));
  return std::move(report_);
}

}  // namespace load
