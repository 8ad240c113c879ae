// Which recordings there are: those of this environment's living processes, and orphans that a
// former process left. Finds, sorts and removes files; Ledger reads what is in them.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "companion/journal.h"
#include "companion/waiter.h"
#include "recording/reader_directory.h"
#include "recording/told_mark.h"
#include "report/findings/memory_end.h"
#include "report/ledger/ledger.h"

namespace lamprey::companion {

// One recording that is being followed.
class Followed {
 public:
  Followed(recording::Reader reader, ino_t inode);

  report::Ledger& ledger() { return ledger_; }
  Waiter& waiter() { return waiter_; }
  const std::string& path() { return ledger_.reader().path(); }
  ino_t inode() const { return inode_; }
  // Reads how much memory its process has; cheap enough for every 20 ms of a long invocation.
  void sample_memory();
  // A long invocation is looked at closely twice, the second time shortly before its deadline.
  void begin_invocation();
  void look_early();
  // As begin_invocation(), once for each.
  void watch(std::uint64_t sequence);
  // Says in the recording which invocations were told of (LAMPREY_FLUSH=batch).
  void note_told();
  // Asks the threads that run where they are, once in an invocation (recording/asked.h).
  void ask_where();
  void snapshot_before_deadline();
  const report::Closeup& closeup() const { return closeup_; }
  // The evidence by which its end is judged, once it is gone.
  report::MemoryEvidence memory_evidence(const report::MemoryKills& before);
  bool is_child() { return ledger_.header().role == recording::Role::kChild; }

  // Whether its process has certainly ended. Of a process that /proc never showed (another pid
  // namespace) that is unknown, unless it wrote how it ended.
  bool has_ended();
  // Its file was replaced by another recording (the process executed another program).
  bool replaced = false;

 private:
  report::Ledger ledger_;
  Waiter waiter_;
  recording::ToldMark told_mark_;
  ino_t inode_;
  bool seen_running_;
  std::optional<std::uint64_t> highest_rss_bytes_;
  std::vector<report::ThreadLook> early_;
  std::uint64_t early_mono_ns_ = 0;
  std::uint64_t watched_ = 0;   // the invocation that watch() was last told of
  std::uint64_t asked_in_ = 0;  // Header::started when its threads were last asked
  report::Closeup closeup_;
};

// Where a wrapper keeps the runtime as its child (Header::launched_by): which of its recordings is
// the runtime's, looked for among all one after the other. `so_far`: of those before; nullptr:
// none. The runtime is who has asked for an invocation. `at_end`: nobody will any more; then the
// newest child was on its way to.
const recording::Header* rather_the_runtime(const recording::Header* so_far,
                                            const recording::Header& header, bool at_end);
// The wrapper's own recording, and those of its other children, of which nobody wants to hear.
bool is_beside(const recording::Header& header, const recording::Header* runtime);

class Recordings {
 public:
  // `environment`: AWS_LAMBDA_RUNTIME_API; recordings of other environments are left alone.
  // `since_real_ns`: what was recorded before belongs to former processes.
  // `journal` knows what was printed before; it outlives this.
  Recordings(std::string directory, std::string environment, std::uint64_t since_real_ns,
             Journal& journal);

  // The kernel's counters of kills before anything happened; once, at the start.
  void note_memory_kills() { memory_kills_ = report::count_memory_kills(0); }
  const report::MemoryKills& memory_kills_at_start() const { return memory_kills_; }

  // Looks for new files. Complaints (one line each, once a file) are added to `complaints`.
  void scan(std::vector<std::string>& complaints);

  std::vector<std::unique_ptr<Followed>>& live() { return live_; }
  struct Orphan {
    std::unique_ptr<report::Ledger> ledger;
    bool known = false;  // what was reported of it before is known
  };
  // The orphans found since the last call. Each goes to delete_orphan() once all of it is printed.
  std::vector<Orphan> take_orphans();
  void delete_orphan(Orphan& orphan);
  // Stops following, and removes the file once no line of it waits any more.
  void remove(Followed& followed);
  void remove_printed();
  // Removes what is_beside() the runtime. To be called after the recordings were read afresh.
  void drop_wrappers(bool at_end);
  // Looks again at files that were passed over: another environment's recording may have become an
  // orphan.
  void look_again();

  static constexpr std::size_t kMaxFollowed = 64;

 private:
  struct Leaving {
    std::string path;
    ino_t inode = 0;
    std::unique_ptr<recording::Header> header;
  };

  struct PassedOver {
    ino_t inode = 0;
    bool for_good = false;
  };

  bool is_unchanged();
  void consider(const recording::Listed& listed, std::vector<std::string>& complaints);
  void refuse(const recording::Listed& listed, const struct stat* before,
              const recording::Failure& failure, std::vector<std::string>& complaints);
  void pass_over(const recording::Listed& listed, bool for_good);
  bool followed_already(const std::string& path);
  bool is_leaving(const std::string& path);
  void leave(const std::string& path, ino_t inode, const recording::Header& header);
  bool is_orphan(const recording::Header& header) const;
  bool is_ours(const recording::Header& header) const;
  bool is_abandoned(const recording::Header& header) const;

  Journal& journal_;
  std::string directory_;
  std::string environment_;
  std::uint64_t since_real_ns_;
  report::MemoryKills memory_kills_;
  std::vector<std::unique_ptr<Followed>> live_;
  std::vector<std::pair<std::string, ino_t>> orphans_;
  std::vector<Leaving> leaving_;
  std::map<std::string, PassedOver> passed_over_;  // by path: looked at, not ours
  // The directory as it was when it was last listed. It is not settled as long as a new file might
  // leave its time unchanged.
  ino_t directory_inode_ = 0;
  std::uint64_t directory_changed_ns_ = 0;
  bool settled_ = false;
};

}  // namespace lamprey::companion
