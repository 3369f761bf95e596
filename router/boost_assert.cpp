// Boost's assertions call these (BOOST_ENABLE_ASSERT_HANDLER). In the core they can only come
// from reading a result that holds an error, which is a bug of ours. Weak, so that a program's own
// handlers win wherever the core is linked beside them.
#include <stdexcept>
#include <string>

namespace boost {

__attribute__((weak, noreturn)) void assertion_failed_msg(const char* expression,
                                                          const char* message, const char*,
                                                          const char* file, long line) {
  throw std::logic_error(std::string(file) + ":" + std::to_string(line) + ": " + expression +
                         (message != nullptr ? std::string(": ") + message : std::string()));
}

__attribute__((weak, noreturn)) void assertion_failed(const char* expression, const char* function,
                                                      const char* file, long line) {
  assertion_failed_msg(expression, nullptr, function, file, line);
}

}  // namespace boost
