// The command line: parses options with CLI11 and calls one function a command.
#pragma once

namespace jevons {

int run_cli(int argc, char** argv);

}  // namespace jevons
