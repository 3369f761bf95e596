#include "gateway/mailbox.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

namespace jevons {
namespace {

thread_local Mailbox::Batch* batch = nullptr;

int checked(int fd) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  return fd;
}

}  // namespace

Mailbox::Mailbox(boost::asio::io_context& io)
    : bell_(checked(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC))) {
  heard_.emplace(io.get_executor(), checked(::fcntl(bell_, F_DUPFD_CLOEXEC, 0)));
}

Mailbox::~Mailbox() { ::close(bell_); }

void Mailbox::close() {
  heard_.reset();
  std::vector<std::function<void()>> unread;
  const std::lock_guard lock(mutex_);
  unread.swap(letters_);
}

void Mailbox::expect() {
  ++expected_;
  if (!watching_) watch();
}

Mailbox::Batch::Batch() { batch = this; }

Mailbox::Batch::~Batch() {
  batch = nullptr;
  for (const auto& mailbox : unrung_) mailbox->ring();
}

void Mailbox::watch() {
  watching_ = true;
  heard_->async_wait(boost::asio::posix::descriptor_base::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->watching_ = false;
                       if (!error) self->deliver();
                     });
}

void Mailbox::put(std::function<void()> work) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = letters_.empty();
    letters_.push_back(std::move(work));
  }
  if (!first) return;
  if (batch)
    batch->unrung_.push_back(shared_from_this());
  else
    ring();
}

void Mailbox::ring() {
  const std::uint64_t one = 1;
  // An eventfd takes a write unless its count is at the end of its type.
  static_cast<void>(::write(bell_, &one, sizeof one) == sizeof one);
}

void Mailbox::deliver() {
  std::uint64_t rings = 0;
  static_cast<void>(::read(bell_, &rings, sizeof rings) == sizeof rings);
  std::vector<std::function<void()>> letters;
  {
    const std::lock_guard lock(mutex_);
    letters.swap(letters_);
  }
  expected_ -= letters.size();
  for (auto& letter : letters) std::exchange(letter, nullptr)();
  if (expected_ > 0 && !watching_) watch();
}

}  // namespace jevons
