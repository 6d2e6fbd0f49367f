"""The integer model one token at a time in C++, bit-exact with its scalar reference: for generating text."""
