#include "engine/base/pch.hpp"
