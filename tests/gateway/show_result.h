// Shows the error of a failed result in a test's report.
#pragma once

#include <doctest/doctest.h>

#include "router/error.h"

template <class T>
struct doctest::StringMaker<boost::system::result<T, jevons::Error>> {
  static String convert(const boost::system::result<T, jevons::Error>& result) {
    return result ? String("a value") : String(result.error().message().c_str());
  }
};
