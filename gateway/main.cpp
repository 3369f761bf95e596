#include "gateway/cli/app.h"

int main(int argc, char** argv) { return jevons::run_cli(argc, argv); }
