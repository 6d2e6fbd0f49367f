// The cheapest path of segmentation.py, found among the few states that a Lagrangian bound leaves. Called by pruned.py.
//
// A price on every gap replaces the limit on codes: one pass over the positions then gives the cheapest path at that
// price, error + price * gaps. Its value minus price * limit is a lower bound of the error of every path within the
// limit, and each cheapest path within the limit is an upper bound. A state through which no path costs less than the
// upper bound at the best price is not on the best path. The others are searched by number of codes, as in
// segmentation.py, in the same order of additions and with the same choice among equals, so that the result is equal on
// every bit.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace {

constexpr int kSteps = 8, kMost = 8;      // log2 of steps; segments
constexpr int64_t kReach = 1 << (kSteps - 1);
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kSlack = 1 + 1e-9;       // sums of a thousand positive numbers err by less
constexpr int kPrices = 24;               // tried at most

using Row = double[kSteps][kMost];        // by step and segment

struct Problem {
  int64_t length;                         // of the axis, kReach more than the values need
  const double* gaps;                     // [step][position]
  const double* below;                    // [position]
  const double* above;                    // [step][position]
  int64_t limit;                          // of gaps
  int segments;
};

// Cheapest costs of prefixes and of what follows, at one price per gap.
class Relaxation {
 public:
  explicit Relaxation(const Problem& problem)
      : p_(problem), rows_((problem.length + kReach) * kSteps * kMost), after_(rows_.size()) {}

  // Costs up to each state; returns the least of a whole path, and the number of its gaps.
  double forward(double price, int64_t* used) {
    std::fill(rows_.begin(), rows_.begin() + kReach * kSteps * kMost, kInf);
    double best = kInf;
    int64_t at = -1;
    int end_step = 0, end_segment = 0;
    for (int64_t p = 0; p < p_.length; ++p) {
      Row moved;
      double begin[kMost + 1];            // of segment k at p: what ends segment k - 1 there
      double* ended = begin + 1;
      begin[0] = p_.below[p];
      for (int k = 0; k < kMost; ++k) ended[k] = kInf;
      for (int e = 0; e < kSteps; ++e) {
        const double gap = arrive(e, p) + price;
        const Row& from = before(p - (int64_t(1) << e));
        for (int k = 0; k < kMost; ++k) {
          moved[e][k] = from[e][k] + gap;
          ended[k] = moved[e][k] < ended[k] ? moved[e][k] : ended[k];
        }
      }
      Row& now = before(p);
      for (int e = 0; e < kSteps; ++e) {
        const double above = p_.above[e * p_.length + p];
        for (int k = 0; k < kMost; ++k) now[e][k] = moved[e][k] < begin[k] ? moved[e][k] : begin[k];
        for (int k = 0; k < p_.segments; ++k)
          if (now[e][k] + above < best) best = now[e][k] + above, at = p, end_step = e, end_segment = k;
      }
    }
    *used = at < 0 ? 0 : gaps_behind(price, at, end_step, end_segment);
    return best;
  }

  // Costs of what follows each state; `forward` must have been called at this price.
  void backward(double price) {
    std::fill(after_.begin(), after_.end(), kInf);
    for (int64_t p = p_.length - 1; p >= 0; --p) {
      double next[kMost + 1];             // of beginning segment k here
      std::fill(next, next + kMost + 1, kInf);
      Row& now = after(p);
      for (int e = 0; e < kSteps; ++e) {
        const double gap = p_.gaps[e * p_.length + p] + price, above = p_.above[e * p_.length + p];
        const int64_t to = p + (int64_t(1) << e);
        for (int k = 0; k < p_.segments; ++k) {
          const double going = to < p_.length ? gap + arrived(e, k, to) : kInf;
          now[e][k] = std::min(above, going);
          next[k] = std::min(next[k], now[e][k]);
        }
      }
      for (int k = 0; k < p_.segments; ++k) begins(k, p) = next[k];
    }
  }

  // Whether a path through this state, whether segment k begins there or not, costs at most `most`.
  bool near(double price, double most, int64_t p, int e, int k) {
    if (before(p)[e][k] + after(p)[e][k] <= most) return true;
    return before(p - (int64_t(1) << e))[e][k] + arrive(e, p) + price + arrived(e, k, p) <= most;
  }

 private:
  Row& before(int64_t p) { return reinterpret_cast<Row*>(rows_.data())[p + kReach]; }
  Row& after(int64_t p) { return reinterpret_cast<Row*>(after_.data())[p]; }
  double& begins(int k, int64_t p) { return begins_[p * (kMost + 1) + k]; }

  double arrive(int e, int64_t p) const {
    const int64_t from = p - (int64_t(1) << e);
    return from < 0 ? kInf : p_.gaps[e * p_.length + from];
  }

  // The cost of what follows an arrival at p in segment k: going on, or beginning the next segment.
  double arrived(int e, int k, int64_t p) { return std::min(after(p)[e][k], begins(k + 1, p)); }

  int64_t gaps_behind(double price, int64_t p, int e, int k) {
    for (int64_t used = 0;; ++used) {
      while (true) {                      // which move or beginning led to this state?
        const int64_t from = p - (int64_t(1) << e);
        const double moved = before(from)[e][k] + (arrive(e, p) + price), here = before(p)[e][k];
        if (moved <= here) { p = from; break; }
        if (k == 0) return used;
        for (int other = 0; other < kSteps; ++other) {
          const double ended = before(p - (int64_t(1) << other))[other][k - 1] + (arrive(other, p) + price);
          if (ended <= here) { e = other; break; }
        }
        --k;
        const double ended = before(p - (int64_t(1) << e))[e][k] + (arrive(e, p) + price);
        if (ended <= here) { p -= int64_t(1) << e; break; }
        return used;                      // cannot happen
      }
    }
  }

  const Problem& p_;
  std::vector<double> rows_, after_;
  std::vector<double> begins_ = std::vector<double>(size_t(p_.length) * (kMost + 1), kInf);
};

struct State { int32_t before, ending; double gap, above; };  // where it comes from, and which group it ends in

// The search over the states kept, by gaps behind.
class Search {
 public:
  Search(const Problem& problem, Relaxation& costs, double price, double most) : p_(problem) {
    const int64_t length = p_.length;
    std::vector<int32_t> number(size_t(p_.segments) * kSteps * length, -1);
    for (int k = 0; k < p_.segments; ++k) {
      first_[k] = states_.size();
      for (int e = 0; e < kSteps; ++e)
        for (int64_t p = 0; p < length; ++p)
          if (costs.near(price, most, p, e, k)) {
            const int64_t from = p - (int64_t(1) << e);
            const int32_t before = from < 0 ? -1 : number[(k * kSteps + e) * length + from];
            number[(k * kSteps + e) * length + p] = states_.size();
            places_.push_back(p), steps_.push_back(e);
            states_.push_back({before, -1, from < 0 ? kInf : p_.gaps[e * length + from], p_.above[e * length + p]});
          }
    }
    first_[p_.segments] = states_.size();
    // ends of segment k - 1 where segment k may begin: groups of states, by step
    std::vector<int32_t> group(length);
    for (int k = 1; k < p_.segments; ++k) {
      std::fill(group.begin(), group.end(), -1);
      for (int32_t s = first_[k]; s < first_[k + 1]; ++s) {
        int32_t& mine = group[places_[s]];
        if (mine < 0) {
          mine = borders_.size();
          borders_.push_back(ends_.size());
          for (int e = 0; e < kSteps; ++e) {
            const int32_t end = number[((k - 1) * kSteps + e) * length + places_[s]];
            if (end >= 0) ends_.push_back(end);
          }
        }
        states_[s].ending = mine;
      }
    }
    borders_.push_back(ends_.size());
  }

  // The path: its error; steps (log2) of the codes from the last to the first; the first code's position.
  double run(int32_t* path, int64_t* codes, int64_t* start) {
    const size_t count = states_.size(), groups = borders_.size() - 1;
    std::vector<double> now(count, kInf), next(count), least(groups);
    std::vector<uint8_t> origin(groups ? size_t(p_.limit + 1) * groups : 0);
    std::vector<bool> begun(size_t(p_.limit + 1) * count);
    double best[kMost];
    int64_t used_at[kMost] = {}, end_at[kMost] = {};
    std::fill(best, best + kMost, kInf);
    for (int32_t s = 0; s < first_[1]; ++s) now[s] = p_.below[places_[s]];
    for (int64_t used = 0; used <= p_.limit; ++used) {
      if (used) {
        for (size_t g = 0; g < groups; ++g) {
          least[g] = kInf;
          uint8_t chosen = 0;
          for (int32_t n = borders_[g]; n < borders_[g + 1]; ++n)
            if (now[ends_[n]] < least[g]) least[g] = now[ends_[n]], chosen = n - borders_[g];
          origin[used * groups + g] = chosen;
        }
        for (size_t s = first_[1]; s < count; ++s)
          if (const double begin = least[states_[s].ending]; begin < now[s]) now[s] = begin, begun[used * count + s] = true;
      }
      for (int k = 0; k < p_.segments; ++k)
        for (int32_t s = first_[k]; s < first_[k + 1]; ++s)
          if (const double reached = now[s] + states_[s].above; reached < best[k])
            best[k] = reached, used_at[k] = used, end_at[k] = s;
      for (size_t s = 0; s < count; ++s) next[s] = states_[s].before < 0 ? kInf : now[states_[s].before] + states_[s].gap;
      now.swap(next);
    }
    int k = 0;  // the fewest segments with the least error
    for (int other = 1; other < p_.segments; ++other)
      if (best[other] < best[k]) k = other;
    if (best[k] == kInf) return kInf;
    int64_t used = used_at[k], n = 0;
    int32_t s = end_at[k];
    path[n++] = steps_[s];
    while (true) {
      if (begun[used * count + s]) s = ends_[borders_[states_[s].ending] + origin[used * groups + states_[s].ending]];
      if (!used) break;
      path[n++] = steps_[s];
      s = states_[s].before;
      --used;
    }
    *codes = n, *start = places_[s];
    return best[k];
  }

 private:
  const Problem& p_;
  std::vector<State> states_;
  std::vector<int32_t> places_, steps_, ends_, borders_;
  int32_t first_[kMost + 1];
};

}  // namespace

// The best path of at most `segments` segments and `codes` codes; its error, or infinity if there is none. Without
// `path`, only a lower bound of that error.
extern "C" double qse_best_path(int64_t length, const double* gaps, const double* below, const double* above,
                                int64_t codes, int32_t segments, int32_t* path, int64_t* count, int64_t* start) {
  const int64_t limit = codes - 1;
  const Problem problem{length, gaps, below, above, limit, segments};
  Relaxation costs(problem);
  int64_t used = 0;
  double value = costs.forward(0, &used);
  if (value == kInf) return kInf;
  double best_price = 0, bound = value, upper = value;
  if (used > limit) {
    // the cheapest paths with too many gaps and with few enough, at the prices tried: gaps and error
    double many = used, many_error = value, few = 0, few_error = kInf;
    upper = kInf;  // if no price gives few enough, every state is kept
    double price = std::max(value, 1e-300) / std::max<double>(limit, 1);
    for (int n = 0; n < kPrices; ++n) {
      value = costs.forward(price, &used);
      const double error = value - price * used;
      if (value - price * limit > bound) bound = value - price * limit, best_price = price;
      const bool best = few_error < kInf && many_error + price * many <= value * kSlack;  // both paths cost the same
      if (used > limit) many = used, many_error = error;
      else few = used, few_error = error, upper = error + value * (kSlack - 1);  // the difference was rounded
      if (used == limit || best || few_error <= bound * kSlack) break;
      if (few_error == kInf) price *= std::clamp(std::pow(used / std::max<double>(limit, 1), 3), 2.0, 64.0);
      else price = (few_error - many_error) / (many - few);
    }
  }
  if (!path) return bound - (bound + 2 * best_price * limit) * (kSlack - 1);
  costs.forward(best_price, &used);
  costs.backward(best_price);
  return Search(problem, costs, best_price, (upper + best_price * limit) * kSlack).run(path, count, start);
}
