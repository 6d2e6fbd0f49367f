// Plays a program of synth/mutation/stimuli.py to a Verilated unit.
// dut PROGRAM INPUTS OUTPUTS MUTSEL...: per number at the control input the first cycle with a wrong output, or -1
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

#include "Vdut.h"

int main(int argc, char** argv) {
    std::ifstream file(argv[1], std::ios::binary);
    const std::vector<char> program((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const size_t inputs = std::atoi(argv[2]), outputs = std::atoi(argv[3]), width = inputs + outputs;
    for (int number = 4; number < argc; number++) {
        Vdut dut;
        long first = -1;
        dut.mutsel = std::atoi(argv[number]);
        for (size_t cycle = 0; cycle < program.size() / width && first < 0; cycle++) {
            const char* row = &program[cycle * width];
            for (size_t n = 0; n < inputs; n += 32) {
                uint32_t word = 0;
                for (size_t bit = n; bit < n + 32 && bit < inputs; bit++) word |= uint32_t(row[bit]) << (bit - n);
                dut.driven[n / 32] = word;
            }
            dut.clk = 0;
            dut.eval();
            for (size_t n = 0; n < outputs && first < 0; n++)
                if (row[inputs + n] < 2 && (dut.seen[n / 32] >> n % 32 & 1) != uint32_t(row[inputs + n])) first = cycle;
            dut.clk = 1;
            dut.eval();
        }
        std::printf("%ld\n", first);
    }
}
