#include "gateway/mailbox.h"

#include <doctest/doctest.h>

#include <thread>

using namespace jevons;

namespace {

struct Reader {
  boost::asio::io_context io{1};
  std::shared_ptr<Mailbox> mailbox = std::make_shared<Mailbox>(io);
  std::vector<int> read;

  void expect(int letters) {
    for (int i = 0; i < letters; ++i) mailbox->expect();
  }
  void put(int letter) {
    mailbox->put([this, letter] { read.push_back(letter); });
  }
};

}  // namespace

TEST_CASE("mailbox: letters of another thread are read in order, then the context is out of work") {
  Reader reader;
  reader.expect(100);
  std::thread writer([&] {
    for (int i = 0; i < 100; ++i) reader.put(i);
  });
  reader.io.run();
  writer.join();
  REQUIRE(reader.read.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(reader.read[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("mailbox: a batch wakes its reader at its end, once for all") {
  Reader reader;
  reader.expect(2);
  {
    const Mailbox::Batch batch;
    reader.put(1);
    reader.put(2);
    CHECK(reader.io.poll() == 0);
  }
  CHECK(reader.io.poll() == 1);
  CHECK(reader.read == std::vector<int>{1, 2});
}

TEST_CASE("mailbox: a letter may bring about the next") {
  Reader reader;
  reader.expect(1);
  reader.mailbox->put([&] {
    reader.expect(1);
    reader.put(2);
  });
  reader.io.run();
  CHECK(reader.read == std::vector<int>{2});
}

TEST_CASE("mailbox: after close nothing is delivered, and what was not read is freed") {
  Reader reader;
  const auto held = std::make_shared<int>(7);
  reader.expect(2);
  reader.mailbox->put([held] {});
  reader.mailbox->close();
  CHECK(held.use_count() == 1);
  reader.put(1);
  CHECK(reader.io.run() <= 1);  // the wait that close() ended
  CHECK(reader.read.empty());
}
