// The whole face of the local engine: load, submit, stream, cancel, stats. No tensor and no HTTP here.
#pragma once
