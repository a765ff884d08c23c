// Gives a library of headers only one object, so that all folders are built alike.
namespace ordeal {}
