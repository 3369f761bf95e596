#include "router/error.h"
