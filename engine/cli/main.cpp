#include "engine/cli/cli.hpp"

int main(int argc, char** argv) { return ordeal::cli::run(argc, argv); }
