/* Options of machines that are installed, and what comes of them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "install/answers.h"
#include "install/document.h"
#include "install/install.h"
#include "install/option_list.h"

#define holds(what) check_eq(!!(what), true)

static const char capabilities[] = "<capabilities><host><cpu><arch>x86_64</arch></cpu></"
                                   "host><guest><os_type>hvm</os_type><arch name='x86_64'>"
                                   "<emulator>/usr/bin/qemu-system-x86_64</emulator><machine>pc-i440fx-7.2</"
                                   "machine><machine canonical='pc-q35-7.2'>q35</machine>"
                                   "<domain type='qemu'/></arch></guest></capabilities>";

/* The document of one use of an option; owned. NULL: it was refused with @ret_code. */
static char *document_of(const char *option, const char *text, ErrorCode *ret_code)
{
    g_autoptr(Install) install = install_new();
    g_autoptr(Error) err = NULL;

    doc_set(install->domain, "name", "a");
    doc_set(install->domain, "memory", "65536");
    const bool ok = install_take(install, option, text, &err) &&
                    install_platform(install, capabilities, &err) && install_finish(install, &err);
    *ret_code = ok ? ERROR_CODE_COUNT : error_code(err);
    return ok ? install_document(install) : NULL;
}

TEST(values_go_where_their_rows_say)
{
    static const struct {
        const char *option, *text, *wanted;
    } cases[] = {
        { "metadata", "description=\"a,b\",title=x", "<description>a,b</description>" },
        { "metadata", "description=a,,b", "<description>a,b</description>" },
        { "vcpus", "5,maxvcpus=10,cpuset=1-4,6,8", "<vcpu current=\"5\" cpuset=\"1-4,6,8\">10</vcpu>" },
        { "vcpus", "sockets=2,cores=4,threads=2",
          "<topology sockets=\"2\" dies=\"1\" cores=\"4\" threads=\"2\"/>" },
        { "cputune", "vcpupin1.vcpu=1,vcpupin1.cpuset=4-7,vcpupin0.vcpu=0",
          "<vcpupin vcpu=\"1\" cpuset=\"4-7\"/>" },
        { "boot", "hd,cdrom,menu=on", "<bootmenu enable=\"yes\"/>" },
        { "features", "hyperv_vapic=on", "<vapic state=\"on\"/>" },
        { "features", "acpi=off", "<features>\n    <apic/>" },
        { "graphics", "vnc,passwordValidTo=x,password=y", "passwd=\"y\"" },
        { "controller", "usb2", "<master startport=\"4\"/>" },
        { "serial", "tcp,host=:2222,mode=connect,protocol=telnet",
          "<source mode=\"connect\" host=\"127.0.0.1\" service=\"2222\"/>" },
        { "memory", "512,maxmemory=1024", "<memory>1048576</memory>" },
        { "clock", "rtc_tickpolicy=catchup", "<timer name=\"rtc\" tickpolicy=\"catchup\"/>" },
        { "xml", "./devices/x[@a='b=c']/@d=e", "<x a=\"b=c\" d=\"e\"/>" },
        { "cpu", "host-passthrough,xpath.set=./@x=1", "x=\"1\"" },
        { "qemu-commandline", "env=A=b", "<qemu:env name=\"A\" value=\"b\"/>" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        ErrorCode code;
        g_autofree char *text = document_of(cases[i].option, cases[i].text, &code);
        check_case(cases[i].text);
        holds(text && strstr(text, cases[i].wanted));
    }
}

TEST(words_that_mean_nothing_are_refused)
{
    static const struct {
        const char *option, *text;
    } cases[] = {
        { "metadata", "nosuch=1" },
        { "metadata", "title=\"open" },
        { "disk", "size=x" },
        { "disk", "vol=nopool" },
        { "features", "acpi=perhaps" },
        { "vcpus", "five" },
        { "vcpus", "99999999999999999999" },
        { "boot", "hd,nosuch" },
        { "network", "user,model.type" },
        { "memory", "-5" },
        { "disk", "size=-1" },
        { "cputune", "vcpupin5000.vcpu=1" },
        { "xml", "./a[" },
        { "memory", "1.5" },
        { "graphics", "vnc,port=x" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        ErrorCode code;
        g_autofree char *text = document_of(cases[i].option, cases[i].text, &code);
        check_case(cases[i].text);
        holds(text == NULL);
        check_eq(code, ERROR_INVALID_ARGUMENT);
    }
}

TEST(every_row_has_a_place_or_a_function)
{
    const InstallOption *option;

    for (unsigned i = 0; (option = install_option_at(i)); i++) {
        g_autoptr(GPtrArray) names = install_option_names(option);
        check_case(option->name);
        holds(names->len > 0 && option->note);
        for (guint n = 1; n < names->len; n++)
            holds(strcmp(names->pdata[n - 1], names->pdata[n]) < 0);
        for (const InstallSub *sub = option->subs; sub && sub->name; sub++)
            check_eq(sub->path == NULL, sub->kind == SUB_OWN);
    }
}

TEST(answers_hold_no_password_and_nothing_that_breaks_out)
{
    static const AnswersKind kinds[] = { ANSWERS_KICKSTART, ANSWERS_PRESEED,  ANSWERS_AUTOINSTALL,
                                         ANSWERS_AUTOYAST,  ANSWERS_IGNITION, ANSWERS_WINDOWS };
    static const char *const packages[] = { "vim", NULL };
    const Answers answers = { .user = "joe",
                              .user_password = "hunter22",
                              .admin_password = "hunter22",
                              .hostname = "box",
                              .packages = packages };

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *text = NULL;
        holds(answers_format(kinds[i], &answers, &text, NULL));
        holds(strstr(text, "joe") && !strstr(text, "hunter22"));
        holds(kinds[i] == ANSWERS_WINDOWS || strstr(text, "$6$"));
        holds(answers_name(kinds[i]));
    }
    static const char *const bad[] = { "a\nb", "a b", "a;b", "a'b", "$(x)" };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        const Answers wrong = { .user = bad[i] };
        g_autoptr(Error) err = NULL;
        char *text = NULL;
        check_case(bad[i]);
        check_eq(answers_format(ANSWERS_PRESEED, &wrong, &text, &err), false);
        check_eq(error_code(err), ERROR_INVALID_ARGUMENT);
    }
}
