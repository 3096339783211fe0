/* Links the proof without Rust's std and runs it. */
#include <stddef.h>
#include <stdio.h>

size_t smtp_proto_proof(void);

int main(void) {
    size_t bodies = smtp_proto_proof();
    printf("smtp-proto without std ran %zu fuzz bodies\n", bodies);
    return bodies > 0 ? 0 : 1;
}
