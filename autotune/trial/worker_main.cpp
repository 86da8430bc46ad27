// osdn-tune-worker: started by a sweep, never by hand.
#include "autotune/trial/worker.hpp"

int main(int argc, char** argv) {
  return osdn::autotune::worker_main(argc, argv);
}
