/* Prints the files that are generated from the tables: the RELAX NG schema and the reference manual; or what
 * is not acted on yet.
 *
 *   conf-reference schema > data/schema/domain.rng
 *   conf-reference manual > docs/reference/domain-xml.md
 *   conf-reference gaps > tests/unit/conf/gaps.txt */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "conf/domain_rows.h"

int main(int argc, char **argv)
{
    g_autoptr(GString) out = g_string_new(NULL);
    if (argc == 2 && strcmp(argv[1], "schema") == 0)
        xml_schema_write(&domain_table, "domain", out);
    else if (argc == 2 && strcmp(argv[1], "manual") == 0)
        xml_manual_write(&domain_table, "domain", out);
    else if (argc == 2 && strcmp(argv[1], "gaps") == 0)
        xml_gaps_write(&domain_table, out);
    else {
        fprintf(stderr, "usage: %s schema|manual|gaps\n", argv[0]);
        return 2;
    }
    return fwrite(out->str, 1, out->len, stdout) == out->len && fflush(stdout) == 0 ? 0 : 1;
}
