#include <cstdio>
int main() { std::puts("jevons"); }
