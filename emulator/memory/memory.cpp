#include "memory/memory.hpp"
