// An upstream made of a script: for each request it receives, a function says what bytes go back
// and what happens to the connection. It lives in the test's own io_context.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace jevons::fakes {

struct Reply {
  enum class Then { keep, close, reset, stall };
  std::string bytes;
  Then then = Then::keep;
};

inline std::string http_reply(int status, const std::string& body,
                              const std::string& headers = "") {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\ncontent-length: " + std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body;
}

class ScriptedServer {
 public:
  // `respond` gets the whole request text and its number, from 0.
  using Respond = std::function<Reply(const std::string& request, std::size_t number)>;

  ScriptedServer(boost::asio::io_context& io, Respond respond)
      : state_(std::make_shared<State>(io, std::move(respond))) {
    accept(state_);
  }
  ~ScriptedServer() {
    boost::system::error_code ignored;
    state_->acceptor.close(ignored);
    for (const auto& weak : state_->sockets) {
      if (const auto socket = weak.lock()) socket->close(ignored);
    }
  }

  std::string url(const std::string& path = "") const {
    return "http://127.0.0.1:" + std::to_string(state_->acceptor.local_endpoint().port()) + path;
  }
  const std::vector<std::string>& requests() const { return state_->requests; }
  std::size_t connections() const { return state_->sockets.size(); }
  // Bytes that no request asked for, on the newest connection.
  void push(const std::string& bytes) {
    if (const auto socket = state_->sockets.back().lock()) {
      boost::asio::write(*socket, boost::asio::buffer(bytes));
    }
  }
  // Bytes of the newest connection that its client has not read yet.
  void close_newest() {
    boost::system::error_code ignored;
    if (const auto socket = state_->sockets.back().lock()) socket->close(ignored);
  }
  std::size_t disconnects() const { return state_->disconnects; }

 private:
  using tcp = boost::asio::ip::tcp;
  struct State {
    State(boost::asio::io_context& io, Respond script)
        : acceptor(io, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)),
          respond(std::move(script)) {}
    tcp::acceptor acceptor;
    Respond respond;
    std::vector<std::string> requests;
    std::vector<std::weak_ptr<tcp::socket>> sockets;
    std::size_t disconnects = 0;
  };
  struct Conversation {
    std::shared_ptr<tcp::socket> socket;
    std::string received;
    std::array<char, 16'384> buffer{};
    std::string sending;
  };

  static void accept(const std::shared_ptr<State>& state) {
    state->acceptor.async_accept([state](boost::system::error_code error, tcp::socket socket) {
      if (error) return;
      auto conversation = std::make_shared<Conversation>();
      conversation->socket = std::make_shared<tcp::socket>(std::move(socket));
      conversation->socket->set_option(tcp::no_delay(true));
      state->sockets.push_back(conversation->socket);
      read(state, conversation);
      accept(state);
    });
  }

  static void read(const std::shared_ptr<State>& state, const std::shared_ptr<Conversation>& with) {
    with->socket->async_read_some(
        boost::asio::buffer(with->buffer),
        [state, with](boost::system::error_code error, std::size_t count) {
          if (error) {
            ++state->disconnects;
            return;
          }
          with->received.append(with->buffer.data(), count);
          take_request(state, with);
        });
  }

  static std::size_t request_size(const std::string& text) {
    const std::size_t head = text.find("\r\n\r\n");
    if (head == std::string::npos) return std::string::npos;
    std::size_t length = 0;
    for (const char* name : {"content-length: ", "Content-Length: "}) {
      const std::size_t at = text.find(name);
      if (at == std::string::npos || at > head) continue;
      std::from_chars(text.data() + at + 16, text.data() + text.size(), length);
    }
    return head + 4 + length;
  }

  static void take_request(const std::shared_ptr<State>& state,
                           const std::shared_ptr<Conversation>& with) {
    const std::size_t size = request_size(with->received);
    if (with->received.size() < size) return read(state, with);
    state->requests.push_back(with->received.substr(0, size));
    with->received.erase(0, size);
    const Reply reply = state->respond(state->requests.back(), state->requests.size() - 1);
    with->sending = reply.bytes;
    boost::asio::async_write(
        *with->socket, boost::asio::buffer(with->sending),
        [state, with, then = reply.then](boost::system::error_code error, std::size_t) {
          boost::system::error_code ignored;
          if (error || then == Reply::Then::close) return with->socket->close(ignored), void();
          if (then == Reply::Then::reset) {
            with->socket->set_option(tcp::socket::linger(true, 0), ignored);
            with->socket->close(ignored);
            return;
          }
          read(state, with);
        });
  }

  std::shared_ptr<State> state_;
};

}  // namespace jevons::fakes
