#include "local_engine/engine.h"
