/* Links the proof without Rust's std and runs it. */
#include <stdio.h>

int smtp_proto_proof(void);

int main(void) {
    int code = smtp_proto_proof();
    printf("smtp-proto without std answered %d\n", code);
    return code == 500 ? 0 : 1;
}
